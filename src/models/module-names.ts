import { InputError } from "../errors.ts"

/**
 * The names of a network's modules in its PyTorch and in its Flax checkpoints, written down while it is built.
 *
 * Parameters go by their PyTorch names; Flax calls a module by its class and how many of that class its parent already
 * has (`ResnetBlockBigGANpp_3`), in the order in which they run.
 */
export class ModuleNames {
  readonly #modules = new Map<string, FlaxModule>()
  readonly #counts = new Map<string, number>()
  #entries = 0

  /** The next entry of the list `all_modules`, of the given class in Flax. Returns its PyTorch name. */
  next(kind: string): string {
    return this.module(`all_modules.${this.#entries++}`, kind)
  }

  /** A module under its PyTorch name, which is returned. `flaxName` is for those that Flax doesn't number. */
  module(name: string, kind: string, flaxName?: string): string {
    const parent = this.#closest(name)
    const inside = parent === undefined ? "" : `${this.#modules.get(parent)!.path}/`
    this.#modules.set(name, { path: inside + (flaxName ?? this.#numbered(inside, kind)), kind })
    return name
  }

  /** A module without tensors, which Flax counts and PyTorch doesn't list. */
  unlisted(kind: string): void {
    this.#numbered("", kind)
  }

  /**
   * Where a Flax checkpoint has a parameter, and in which layout.
   *
   * @param name of the parameter in PyTorch.
   * @throws InputError for a parameter of no known module.
   */
  flax(name: string, shape: readonly number[]): FlaxTensor {
    const parent = this.#closest(name)
    if (parent === undefined) throw new InputError("INVALID_ARGUMENT", `No module has the parameter ${name}.`)
    const module = this.#modules.get(parent)!
    const inner = name.slice(parent.length + 1).split(".")
    const leaf = inner.pop()!
    const kind = inner.at(-1)?.replace(/_\d+$/, "") ?? module.kind
    const { name: flaxLeaf = leaf, order, perChannel = false } = layouts[kind]?.[leaf] ?? {}
    const path = [module.path, ...inner, flaxLeaf].join("/")
    if (perChannel) return { path, shape: [1, 1, 1, ...shape] }
    if (order === undefined) return { path, shape }
    return { path, shape: shape.map((_, axis) => shape[order.indexOf(axis)]!), order }
  }

  #closest(name: string): string | undefined {
    for (let end = name.lastIndexOf("."); end > 0; end = name.lastIndexOf(".", end - 1)) {
      const prefix = name.slice(0, end)
      if (this.#modules.has(prefix)) return prefix
    }
    return undefined
  }

  #numbered(inside: string, kind: string): string {
    const count = this.#counts.get(inside + kind) ?? 0
    this.#counts.set(inside + kind, count + 1)
    return `${kind}_${count}`
  }
}

interface FlaxModule {
  readonly path: string
  readonly kind: string
}

/** A parameter as a Flax checkpoint has it. */
export interface FlaxTensor {
  /** Names from the root of the parameters, joined by `/`. */
  readonly path: string
  readonly shape: readonly number[]
  /** PyTorch's axis i is Flax's axis `order[i]`; where absent the elements stand in the same order. */
  readonly order?: readonly number[]
}

interface Layout {
  readonly name?: string
  readonly order?: readonly number[]
  /** [1, 1, 1, C] where PyTorch has [C]. */
  readonly perChannel?: boolean
}

const kernel: Layout = { order: [3, 2, 0, 1] }
const vector: Layout = { perChannel: true }

// By class and PyTorch's name. What is missing is called the same and laid out the same.
const layouts: Readonly<Record<string, Readonly<Record<string, Layout>>>> = {
  Conv: { weight: { ...kernel, name: "kernel" } },
  Conv2d: { weight: kernel },
  Dense: { weight: { name: "kernel", order: [1, 0] } },
  Embed: { weight: { name: "embedding" } },
  GroupNorm: { weight: { ...vector, name: "scale" }, bias: vector },
  InstanceNorm2d: { weight: { ...vector, name: "scale" }, bias: vector },
  InstanceNorm2dPlus: { alpha: vector, gamma: vector, beta: vector },
  VarianceNorm2d: { weight: { ...vector, name: "scale" } },
}
