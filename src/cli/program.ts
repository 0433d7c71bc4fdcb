import { Command, CommanderError, InvalidArgumentError, Option } from "commander"
import packageJson from "../../package.json" with { type: "json" }
import { reportError } from "./report-error.ts"

/** What the process ends with. */
export const exitCodes = { ok: 0, failure: 1, usage: 2, interrupted: 130 } as const

const codesHelp = `
Exit codes: ${exitCodes.ok} done, ${exitCodes.failure} failed, ${exitCodes.usage} wrong usage, ${exitCodes.interrupted} interrupted (Ctrl-C).`

/** Runs the command that `argv` asks for, and returns the exit code. Results go to stdout, all else to stderr. */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  const program = commandLine()
  try {
    await program.parseAsync([...argv])
    return exitCodes.ok
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    return reportError(error, Boolean(program.opts().verbose))
  }
}

function commandLine(): Command {
  const program = new Command("score-sde")
    .description("Score-based generative models from the Hugging Face Hub: sample, look inside, export.")
    .version(packageJson.version, "-V, --version", "print the version")
    .option("--verbose", "print the whole error, with its stack and causes")
    .helpCommand(false)
    .showHelpAfterError("(add --help for the options)")
    .addHelpText(
      "after",
      `
MODEL is a Hub id (google/ncsnpp-ffhq-1024) or a folder in Diffusers' layout.

Examples:
  score-sde sample google/ncsnpp-celebahq-256 --steps 500 --seed 0 --out face.png
  score-sde info google/ddpm-cifar10-32
${codesHelp}`,
    )
    .exitOverride()

  modelCommand(program, "sample", "make pictures")
    .option("-n, --num-images <n>", "pictures to make", wholeNumber(1), 1)
    .option("-b, --batch-size <n>", "pictures made together", wholeNumber(1))
    .option("--steps <n>", "steps of the sampler (default: the pipeline's own)", wholeNumber(1))
    .option("--seed <k>", "makes the pictures repeatable", wholeNumber(0))
    .addOption(
      new Option(
        "--generator <kind>",
        "torch gives PyTorch's numbers, philox numbers that don't depend on the batch",
      )
        .choices(["torch", "philox"])
        .default(undefined, "torch for one picture, philox for more"),
    )
    .option("-o, --out <path>", "a .png, .jpg or .webp file for one picture or a grid, else a folder", "out")
    .option("--grid", "put all pictures into one file")
    .option("--strip", "also show how the first pictures came about, in a file beside")
    .option("--latents <file.npy>", "noise [N, C, H, W] to start from")
    .option("--out-npz <file.npz>", "write the pictures as an array `images` [N, H, W, C] in [0, 1]")
    .addHelpText(
      "after",
      `
Ctrl-C stops between two steps and keeps the pictures that are done; a second Ctrl-C ends at once.

Examples:
  score-sde sample models/ncsnpp-emoji-32 --num-images 16 --steps 200 --grid --out grid.png
  score-sde sample google/ncsnpp-ffhq-256 --steps 100 --strip --out faces
${codesHelp}`,
    )
    .action(async (model, options) => (await import("./sample.ts")).sample(model, options))

  modelCommand(program, "info", "say what a model is made of")
    .option("--json", "as JSON")
    .addHelpText("after", "\nExample:\n  score-sde info google/ncsnpp-ffhq-1024 --json")
    .action(async (model, options) => (await import("./info.ts")).info(model, options))

  modelCommand(program, "export", "write a model as a folder with ONNX graphs beside its weights")
    .argument("<dir>", "the folder to write")
    .addHelpText(
      "after",
      "\nThe folder loads in Diffusers and here; --dtype fp16 adds unet/model_fp16.onnx.\n\nExample:\n  score-sde export google/ncsnpp-ffhq-1024 ffhq --dtype fp16",
    )
    .action(async (model, dir, options) => (await import("./export.ts")).exportModel(model, dir, options))

  modelCommand(program, "run", "evaluate a model's network once, for those who port and debug")
    .requiredOption("--sample <x.npy>", "input [N, C, H, W]")
    .requiredOption("--timestep <t.npy>", "label [N] or a scalar: σ for a Fourier model, else the step")
    .option("--class-labels <c.npy>", "class labels [N]")
    .requiredOption("-o, --out <y.npy>", "where the output goes")
    .addHelpText(
      "after",
      "\nExample:\n  score-sde run models/ncsnpp-emoji-32 --sample x.npy --timestep t.npy --out y.npy",
    )
    .action(async (model, options) => (await import("./run.ts")).run(model, options))
  return program
}

function modelCommand(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .argument("<model>", "Hub id or folder")
    .option("--revision <name>", "branch, tag or commit of a Hub repository")
    .option("--variant <name>", "variant of the weights, such as fp16 or ema")
    .option("--subfolder <path>", "folder of the repository that holds the model")
    .option("--token <token>", "access token of the Hub (default: HF_TOKEN, or the one that is stored)")
    .option("--cache-dir <path>", "the cache (default: Python's, HF_HOME/hub)")
    .option("--local-files-only", "use the cache and don't ask the Hub")
    .addOption(
      new Option("--device <name>", "where the network runs")
        .choices(["auto", "cpu", "cuda", "webgpu", "dml", "coreml", "wasm"])
        .default("auto"),
    )
    .addOption(
      new Option("--dtype <type>", "element type of the network").choices(["fp32", "fp16"]).default("fp32"),
    )
    .option("--threads <n>", "threads of the network (default: one per core)", wholeNumber(1))
}

function wholeNumber(least: number): (text: string) => number {
  return text => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < least || !Number.isSafeInteger(value)) {
      throw new InvalidArgumentError(`It must be a whole number from ${least} up.`)
    }
    return value
  }
}
