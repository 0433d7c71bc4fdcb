/** An object that is called like a function: calling it is calling its method `generate`. */
export abstract class Callable {
  constructor() {
    const call = (...args: readonly unknown[]): unknown => {
      const target = call as unknown as { generate: (...args: readonly unknown[]) => unknown }
      return target.generate(...args)
    }
    // biome-ignore lint/correctness/noConstructorReturn: the function, dressed as an instance, is the object
    return Object.setPrototypeOf(call, new.target.prototype) as this
  }
}
