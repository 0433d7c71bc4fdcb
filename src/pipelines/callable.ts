import { checkOptions, type OptionList } from "../check-options.ts"

/** The class of an object that is called, as far as the call needs it. */
interface CallableClass {
  readonly callOptions: OptionList<object>
}

/** An object that is called like a function: calling it is calling its method `generate`. */
export abstract class Callable {
  constructor() {
    const call = (options?: unknown): unknown => {
      const target = call as unknown as { generate: (options?: unknown) => unknown }
      return target.generate(options)
    }
    // Consoles and stack traces show the name of the class.
    Object.defineProperty(call, "name", { value: new.target.name, configurable: true })
    // biome-ignore lint/correctness/noConstructorReturn: the function, dressed as an instance, is the object
    return Object.setPrototypeOf(call, new.target.prototype) as this
  }

  /**
   * Checks what `generate` was given against the class's `callOptions`.
   *
   * @throws InputError `INVALID_ARGUMENT` for an option that there isn't.
   */
  protected checkOptions(given: unknown): void {
    const { callOptions } = this.constructor as unknown as CallableClass
    checkOptions("pipe()", given, callOptions)
  }
}

// call, apply and bind, which everything that can be called has.
Object.setPrototypeOf(Callable.prototype, Function.prototype)
