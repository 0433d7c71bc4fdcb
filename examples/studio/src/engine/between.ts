import { slerp, type Tensor, TorchGenerator } from "score-sde"

/**
 * All the noise of a run, on the way from one seed to another: spherically interpolated, standard normal noise stays
 * that. So every sampler draws pictures on the way from one seed's to the other's.
 */
export class Between extends TorchGenerator {
  readonly #to: TorchGenerator
  readonly #part: number

  constructor(from: number, to: number, part: number) {
    super(from)
    this.#to = new TorchGenerator(to)
    this.#part = part
  }

  override randn(shape: readonly number[]): Tensor<"float32"> {
    return slerp(super.randn(shape), this.#to.randn(shape), this.#part)
  }
}
