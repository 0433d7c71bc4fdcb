import { styleText } from "node:util"
import { Command, CommanderError, type Help, Option } from "commander"
import packageJson from "../../package.json" with { type: "json" }
import type { CommandContext, GeneralOptions } from "./context.ts"
import { exitCodes } from "./exit-codes.ts"
import { addGuidanceOptions } from "./guidance-options.ts"
import { deviceNames, fileName, number, seedNumber, several, wholeNumber } from "./option-values.ts"
import { reportError } from "./report-error.ts"
import { addPcOptions, addSamplerOptions } from "./sampler-options.ts"

/**
 * Runs the command that `argv` asks for, and returns the exit code. Results go to stdout, all else to stderr.
 * The code behind a command is loaded when it runs, so that the help is there at once.
 */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  let verbose = Boolean(process.env.DEBUG)
  const program = commandLine()
  program.hook("preAction", (_, command) => {
    verbose ||= command.opts<GeneralOptions>().verbose ?? false
  })
  try {
    await program.parseAsync([...argv])
    return exitCodes.ok
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportError(error, verbose)
    return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  }
}

const exitCodesHelp = `Exit codes: ${exitCodes.ok} done, ${exitCodes.failure} failed, ${exitCodes.usage} wrong arguments, ${exitCodes.interrupted} interrupted (Ctrl-C).`

function commandLine(): Command {
  const program = new Command("score-sde")
    .description("Score-based generative models from the Hugging Face Hub: sample, look inside, export.")
    .usage("<command> [options]")
    .configureHelp(helpStyle)
    .helpCommand(false)
    .helpOption("-h, --help", "show this help, or that of a command: score-sde sample --help")
    .version(packageJson.version, "-V, --version", "show the version")
    .showHelpAfterError("Run score-sde --help to see the commands.")
    .exitOverride()

  addSample(program)
  addInpaint(program)
  addColorize(program)
  addUpscale(program)
  addInfo(program)
  addLikelihood(program)
  addEncode(program)
  addDecode(program)
  addInterpolate(program)
  addExport(program)
  addRun(program)
  addConfigs(program)

  return program.addHelpText(
    "after",
    epilogue(
      [
        "score-sde sample google/ncsnpp-celebahq-256 --steps 500 --seed 0 --out face.png",
        "score-sde info google/ddpm-cifar10-32",
      ],
      `A model is a Hub id (google/ncsnpp-ffhq-1024) or a folder in Diffusers' layout.
Results go to stdout, all else to stderr.`,
    ),
  )
}

const helpStyle: Partial<Help> = {
  helpWidth: Math.min(process.stdout.columns ?? 100, 100),
  styleTitle: title => styleText("bold", title),
  subcommandTerm: command =>
    [command.name(), ...command.registeredArguments.map(argument => `<${argument.name()}>`)].join(" "),
  // The choices stand in the flags already.
  optionDescription({ description, defaultValue, defaultValueDescription = defaultValue }) {
    return defaultValueDescription === undefined
      ? description
      : `${description} (default: ${defaultValueDescription})`
  },
}

function addSample(program: Command): void {
  const command = modelCommand(program, "sample", "make pictures")
    .description(
      "Makes pictures with the model's own sampler or another, batch by batch. Each is written as soon as it is done.",
    )
    .optionsGroup("Pictures:")
    .option("-n, --num-images <n>", "how many (default: 1, or all of --latents)", wholeNumber(1))
  addRunOptions(command)
  command.option("--latents <file>", "standard normal noise [N, C, H, W] to start from, as .npy or .npz")
  addPictureOutput(command)
  command.option("--strip", "also show how the first ones come out of noise: strip.png, or NAME-strip.png")
  addSamplerOptions(command)
  addGuidanceOptions(command)
  addModelOptions(command)
  command
    .addHelpText(
      "after",
      epilogue(
        [
          "score-sde sample google/ncsnpp-ffhq-1024 --seed 0 --out face.png",
          "score-sde sample google/ddpm-cifar10-32 -n 64 --grid --out grid.png",
          "score-sde sample ./my-model -n 10000 --steps 500 --out-npz samples.npz",
          "score-sde sample google/ncsnpp-ffhq-256 --sampler heun --steps 40 --out face.png",
          "score-sde sample ./cifar10 --classifier checkpoint_0 --class-label 7 -n 16 --grid",
        ],
        `Ctrl-C stops between two evaluations of the network and keeps the pictures that
are done; a second one ends at once.

The corrector of VE models takes one step size for the whole batch, as in
Diffusers, so that their pictures change a little with the batch size even
where the numbers are philox'. With --batch-size 1 they stand for themselves.`,
      ),
    )
    .action((model, options) =>
      run(options, async context => (await import("./sample.ts")).sample(model, options, context)),
    )
}

/** How pictures are made, whatever they shall be. */
function addRunOptions(command: Command): void {
  command
    .addOption(batchSizeOption())
    .option("-s, --steps <n>", "steps of the sampler (default: the pipeline's own)", wholeNumber(1))
    .option(
      "--seed <k>",
      "repeats the pictures of an earlier run (default: a new one, which is told)",
      seedNumber,
    )
    .addOption(
      new Option(
        "--generator <torch|philox>",
        "torch draws PyTorch's numbers, and so Diffusers' picture; philox gives each picture numbers of its own, whatever the batch size",
      )
        .choices(["torch", "philox"])
        .default(undefined, "torch for one picture, philox for more"),
    )
}

const picturesHelp = `Pictures are .png, .jpg or .webp files, or one array as .npy or .npz (images):
[N, C, H, W] or [N, H, W, C], bytes (uint8) or floats in [0, 1].`

function addInpaint(program: Command): void {
  const command = modelCommand(program, "inpaint", "fill the missing parts of pictures")
    .description(
      "Fills parts of pictures with what the model finds likely there. What the mask keeps stays as it is.",
    )
    .optionsGroup("Pictures:")
    .requiredOption("--image <files...>", "pictures of the model's size, or one array of them")
    .option(
      "--mask <files...>",
      "what to keep: white pixels; one mask for all pictures or one for each (default: what is opaque in the picture)",
    )
    .addOption(
      new Option("--mask-white <keep|fill>", "what white means in the mask")
        .choices(["keep", "fill"])
        .default("keep"),
    )
  addRestorationOptions(
    command,
    "score-sde inpaint models/ncsnpp-emoji-32 --image face.png --mask mask.png --out filled.png",
    "score-sde inpaint google/ncsnpp-church-256 --image with-holes.png -n 4 --grid --out filled.png",
  ).action((model, options) =>
    run(options, async context => (await import("./restore.ts")).inpaint(model, options, context)),
  )
}

function addColorize(program: Command): void {
  const command = modelCommand(program, "colorize", "find colours for grey pictures")
    .description(
      "Finds colours that the model finds likely. The mean of red, green and blue stays that of the picture.",
    )
    .optionsGroup("Pictures:")
    .requiredOption("--image <files...>", "grey pictures of the model's size, or one array of them")
  addRestorationOptions(
    command,
    "score-sde colorize models/ncsnpp-emoji-32 --image grey.png -n 4 --grid --out colours.png",
  ).action((model, options) =>
    run(options, async context => (await import("./restore.ts")).colorize(model, options, context)),
  )
}

function addUpscale(program: Command): void {
  const command = modelCommand(program, "upscale", "enlarge pictures to the model's size")
    .description(
      "Enlarges pictures: makes such as the model finds likely, whose averages over squares of pixels are the small ones.",
    )
    .optionsGroup("Pictures:")
    .requiredOption(
      "--image <files...>",
      "pictures of the model's size divided by a whole number, or one array",
    )
  addRestorationOptions(
    command,
    "score-sde upscale models/ncsnpp-emoji-32 --image 8x8.png --steps 500 --out 32x32.png",
  ).action((model, options) =>
    run(options, async context => (await import("./restore.ts")).upscale(model, options, context)),
  )
}

/** What all commands that restore pictures have in common. */
function addRestorationOptions(command: Command, ...lines: readonly string[]): Command {
  command.option("-n, --num-images <n>", "how many to make of each", wholeNumber(1), 1)
  addRunOptions(command)
  command.option("--compat", "hold to what is known as score_sde does, to repeat its runs")
  addPictureOutput(command)
  addPcOptions(command)
  addGuidanceOptions(command)
  addModelOptions(command)
  return command.addHelpText(
    "after",
    epilogue(
      lines,
      `${picturesHelp}
Ctrl-C stops between two evaluations of the network and keeps the pictures that
are done; a second one ends at once.`,
    ),
  )
}

function addLikelihood(program: Command): void {
  const command = modelCommand(program, "likelihood", "say how likely the model finds pictures, in bits/dim")
    .description(
      "Measures the likelihood of pictures by the probability-flow ODE, in bits per number of a picture. Each picture's goes to stdout as soon as its batch is done.",
    )
    .optionsGroup("Pictures:")
    .requiredOption("--data <files...>", "pictures, or one array of them")
    .addOption(batchSizeOption())
    .option("--no-dequantize", "take the numbers as they are, without noise below one level of 256")
    .optionsGroup("Estimate:")
    .option("--probe <file>", "the probe of the divergence itself, shaped like the pictures, as .npy or .npz")
    .addOption(
      new Option(
        "--probe-type <rademacher|gaussian|exact>",
        "what random probes are; exact takes as many evaluations as a picture has numbers",
      )
        .choices(["rademacher", "gaussian", "exact"])
        .default(undefined, "rademacher"),
    )
    .option("--probes <n>", "random probes to average over, with their standard error", wholeNumber(1))
    .option("--seed <k>", "repeats an earlier run (default: a new one, which is told)", seedNumber)
    .optionsGroup("Output:")
    .option("--json", "as JSON, with the mean")
    .option(
      "-o, --out <file>",
      "also write the arrays bits_per_dim, latents and standard_error",
      fileName(".npz"),
    )
  addClassLabels(command)
  addFlowOptions(command, "1e-5")
  addModelOptions(command)
  command
    .addHelpText(
      "after",
      epilogue(
        [
          "score-sde likelihood google/ddpm-cifar10-32 --data test-images.npy --seed 0",
          "score-sde likelihood models/ncsnpp-emoji-32 --data a.png b.png --probes 5 --json",
        ],
        picturesHelp,
      ),
    )
    .action((model, options) =>
      run(options, async context => (await import("./likelihood.ts")).measure(model, options, context)),
    )
}

function addEncode(program: Command): void {
  const command = modelCommand(program, "encode", "find the latents of pictures")
    .description("Follows the probability-flow ODE from pictures to their latents. decode leads back.")
    .optionsGroup("Pictures:")
    .requiredOption("--data <files...>", "pictures, or one array of them")
    .addOption(batchSizeOption())
    .optionsGroup("Output:")
    .requiredOption("-o, --out <file>", "where the latents [N, C, H, W] go", fileName(".npy", ".npz"))
  addClassLabels(command)
  addFlowOptions(command)
  addModelOptions(command)
  command
    .addHelpText(
      "after",
      epilogue(
        [
          "score-sde encode google/ncsnpp-celebahq-256 --data face.png --out z.npy",
          "score-sde decode google/ncsnpp-celebahq-256 --latents z.npy --out again.png",
        ],
        picturesHelp,
      ),
    )
    .action((model, options) =>
      run(options, async context => (await import("./encode.ts")).encode(model, options, context)),
    )
}

function addDecode(program: Command): void {
  const command = modelCommand(program, "decode", "make the pictures of latents")
    .description("Follows the probability-flow ODE from latents, as encode gives them, to pictures.")
    .optionsGroup("Latents:")
    .requiredOption("--latents <file>", "array [N, C, H, W], as .npy or .npz (latents)")
    .addOption(batchSizeOption())
    .option("--denoise", "remove the noise that is left at --eps")
  addPictureOutput(command)
  addClassLabels(command)
  addFlowOptions(command)
  addModelOptions(command)
  command
    .addHelpText(
      "after",
      epilogue(["score-sde decode google/ncsnpp-celebahq-256 --latents z.npy --grid --out faces.png"]),
    )
    .action((model, options) =>
      run(options, async context => (await import("./decode.ts")).decode(model, options, context)),
    )
}

function addInterpolate(program: Command): void {
  const command = modelCommand(program, "interpolate", "go from one picture to another through their latents")
    .description(
      "Makes pictures on the way between two: on the great circle between their latents, both ends included.",
    )
    .optionsGroup("Ends:")
    .option("--data <files...>", "two pictures, or an array of two")
    .option("--latents <file>", "or their latents [2, C, H, W], as .npy or .npz (latents)")
    .option("-n, --count <n>", "how many pictures, with the ends", wholeNumber(2), 8)
    .option("--linear", "go straight")
    .addOption(batchSizeOption())
    .option("--denoise", "remove the noise that is left at --eps")
  addPictureOutput(command)
  command
    .optionsGroup("Class:")
    .option("--class-label <k>", "the class of all pictures, for a class-conditional model", wholeNumber(0))
  addFlowOptions(command)
  addModelOptions(command)
  command
    .addHelpText(
      "after",
      epilogue(
        ["score-sde interpolate google/ncsnpp-celebahq-256 --data a.png b.png -n 9 --grid --out way.png"],
        picturesHelp,
      ),
    )
    .action((model, options) =>
      run(options, async context => (await import("./decode.ts")).interpolate(model, options, context)),
    )
}

function addPictureOutput(command: Command): void {
  command
    .optionsGroup("Output:")
    .option(
      "-o, --out <path>",
      "folder for 0000.png, 0001.png, …; a single picture or a grid can also have a file (.png, .jpg, .webp)",
      "out",
    )
    .option("--grid", "lay all pictures out in one file; in a folder that is grid.png")
    .option("--out-npz <file>", "also write the array `images` [N, H, W, C], in [0, 1]", fileName(".npz"))
}

function addClassLabels(command: Command): void {
  command
    .optionsGroup("Class:")
    .option(
      "--class-label <k...>",
      "for a class-conditional model: the class of all pictures, from 0, or one for each",
      several(wholeNumber(0)),
    )
}

function addFlowOptions(command: Command, eps = "the SDE's"): void {
  command
    .optionsGroup("Solver:")
    .option("--rtol <x>", "relative tolerance of a step's error (default: 1e-5)", number)
    .option("--atol <x>", "absolute tolerance of a step's error (default: 1e-5)", number)
    .option("--eps <t>", `time of the data's end (default: ${eps})`, number)
    .addOption(
      new Option("--step-size <batch|sample>", "the same steps for a whole batch, or each picture its own")
        .choices(["batch", "sample"])
        .default(undefined, "batch"),
    )
}

function addInfo(program: Command): void {
  const command = modelCommand(program, "info", "say what a model is made of and what it needs")
    .description(
      "Says what a model is made of: classes, parameters, noise levels, files, and the memory that it needs. Of a Hub repository, only the configuration is downloaded.",
    )
    .optionsGroup("Output:")
    .option("--json", "as JSON, with sizes in bytes")
    .addOption(dtypeOption("number type to estimate the memory for", "fp32", "fp16"))
  addRepoOptions(command)
  addGeneralOptions(command)
  command
    .addHelpText(
      "after",
      epilogue([
        "score-sde info google/ncsnpp-ffhq-1024",
        "score-sde info google/ddpm-cifar10-32 --json | jq .network.parameters",
      ]),
    )
    .action((model, options) =>
      run(options, async context => (await import("./info.ts")).info(model, options, context)),
    )
}

function addExport(program: Command): void {
  const command = program
    .command("export")
    .summary("write a model as a folder with ONNX graphs")
    .usage(
      "<model> <dir> [options]\n       score-sde export --from-score-sde <file> --config <name> <dir> [options]",
    )
    .showHelpAfterError("Run score-sde export --help to see the options.")
    .description(
      "Writes a model as a folder that this program and Diffusers load: configurations and weights as Diffusers writes them, byte for byte, and beside them unet/model.onnx (fp32) or unet/model_fp16.onnx for ONNX Runtime. A checkpoint of yang-song/score_sde becomes a folder that this program loads, with its SDE and its sampler.",
    )
    .argument("[model]", "Hub id or folder in Diffusers' layout; none with --from-score-sde")
    .argument("[dir]", "folder to write, new or empty; it appears whole or not at all")
    .optionsGroup("Checkpoints of score_sde:")
    .option(
      "--from-score-sde <file>",
      "checkpoint_N.pth of its PyTorch version, or checkpoint_N of its JAX version",
    )
    .option(
      "--config <name>",
      "the configuration's name (score-sde configs lists them), or a JSON file with your own",
    )
    .option("--raw-weights", "the weights as they were last trained, not their running average")
    .optionsGroup("Output:")
    .addOption(dtypeOption("ONNX graphs to write", "fp32", "fp16", "both"))
    .option("--overwrite", "replace files in a folder that is not empty")
  addRepoOptions(command)
  addGeneralOptions(command)
  command
    .addHelpText(
      "after",
      epilogue([
        "score-sde export google/ncsnpp-ffhq-256 ffhq-256 --dtype both",
        "score-sde sample ffhq-256 --dtype fp16 --out face.png",
        "score-sde export --from-score-sde checkpoint_24.pth --config ve/cifar10_ncsnpp_continuous cifar10",
      ]),
    )
    .action((model: string | undefined, dir: string | undefined, options) => {
      const { fromScoreSde, config, rawWeights } = options
      const wrong = (message: string): never =>
        command.error(`error: ${message}`, { exitCode: exitCodes.usage })
      if (fromScoreSde === undefined) {
        if (config !== undefined || rawWeights) wrong("--config and --raw-weights are for --from-score-sde")
        if (model === undefined) wrong("missing required argument 'model'")
        if (dir === undefined) wrong("missing required argument 'dir'")
      } else {
        if (config === undefined)
          wrong("--from-score-sde needs --config: the name of the checkpoint's configuration")
        if (model === undefined) wrong("missing required argument 'dir'")
        if (dir !== undefined) wrong("too many arguments: with --from-score-sde there is only a folder")
        const stray = command.options.find(
          option =>
            option.helpGroupHeading === repoOptionsHeading &&
            command.getOptionValue(option.attributeName()) !== undefined,
        )
        if (stray) wrong(`${stray.long} is for models of the Hub, not for --from-score-sde`)
      }
      return run(options, async context => {
        const { exportCheckpoint, exportModel } = await import("./export.ts")
        await (dir === undefined
          ? exportCheckpoint(fromScoreSde, model!, options, context)
          : exportModel(model!, dir, options, context))
      })
    })
}

function addConfigs(program: Command): void {
  const command = program
    .command("configs")
    .summary("list score_sde's configurations, or show one as JSON")
    .usage("[name] [options]")
    .showHelpAfterError("Run score-sde configs --help to see the options.")
    .description(
      "Lists the configurations of yang-song/score_sde with what was published about them; with a name it prints that configuration as JSON, to start one of your own from.",
    )
    .argument("[name]", "configuration to print")
  addGeneralOptions(command)
  command
    .addHelpText(
      "after",
      epilogue(["score-sde configs", "score-sde configs ve/cifar10_ncsnpp_continuous > birds.json"]),
    )
    .action((name: string | undefined, options) =>
      run(options, async () => (await import("./configs.ts")).showConfigs(name)),
    )
}

function addRun(program: Command): void {
  const command = modelCommand(program, "run", "evaluate a model's network once, on arrays")
    .description("Evaluates a model's network once, for those who port and debug.")
    .optionsGroup("Arrays:")
    .requiredOption("--sample <file>", "the network's input [N, C, H, W]")
    .requiredOption(
      "--timestep <t>",
      "σ for a Fourier model, else the step: a number, or a file with one or [N]",
    )
    .option("--class-labels <file>", "labels [N] of a class-conditional model")
    .requiredOption("-o, --out <file>", "where the output [N, C, H, W] goes", fileName(".npy", ".npz"))
  addModelOptions(command)
  command
    .addHelpText(
      "after",
      epilogue(
        [
          "score-sde run models/ncsnpp-emoji-32 --sample x.npy --timestep t.npy --out y.npy",
          "score-sde run google/ddpm-cifar10-32 --sample x.npy --timestep 999 --out y.npz",
        ],
        `Arrays are .npy files, or .npz files that hold one array or one with the name
of the option (sample, timestep, class_labels). The output is float32; in a
.npz file it is called sample, as in Diffusers.`,
      ),
    )
    .action((model, options) =>
      run(options, async context => (await import("./run.ts")).run(model, options, context)),
    )
}

async function run(options: GeneralOptions, work: (context: CommandContext) => Promise<void>): Promise<void> {
  const { inContext } = await import("./context.ts")
  await inContext(options, work)
}

function modelCommand(program: Command, name: string, summary: string, more = ""): Command {
  return program
    .command(name)
    .summary(summary)
    .usage(["<model>", more, "[options]"].filter(Boolean).join(" "))
    .argument("<model>", "Hub id (google/ncsnpp-ffhq-1024) or folder in Diffusers' layout")
    .showHelpAfterError(`Run score-sde ${name} --help to see the options.`)
}

const repoOptionsHeading = "Model:"

/** Which model, where it runs, and what every command has: what the commands on a network end with. */
function addModelOptions(command: Command): void {
  addRepoOptions(command)
  addComputationOptions(command)
  addGeneralOptions(command)
}

function addRepoOptions(command: Command): void {
  command
    .optionsGroup(repoOptionsHeading)
    .option("--revision <name>", "branch, tag or commit (default: main)")
    .option("--variant <name>", "variant of the weights, such as fp16 or ema")
    .option("--subfolder <path>", "folder of the repository that holds the model")
    .option("--cache-dir <path>", "the cache, shared with Python (default: HF_HUB_CACHE, HF_HOME/hub, …)")
    .option("--local-files-only", "use what the cache holds and ask nobody, as HF_HUB_OFFLINE=1 does")
    .option("--force-download", "fetch files again although they are in the cache")
    .option("--token <token>", "access token; others can see it here, but not HF_TOKEN (default: that)")
}

function addComputationOptions(command: Command): void {
  command
    .optionsGroup("Computation:")
    .addOption(
      new Option(
        "--device <names>",
        "auto, cpu, cuda, webgpu, dml, coreml, wasm; several (cuda,cpu) are tried in order",
      )
        .argParser(deviceNames)
        .default(["auto"], "auto"),
    )
    .addOption(dtypeOption("number type of the network", "fp32", "fp16"))
    .option("--threads <n>", "threads that one operator may use (default: one per core)", wholeNumber(1))
}

function addGeneralOptions(command: Command): void {
  const heading = "General:"
  command
    .optionsGroup(heading)
    .option("-q, --quiet", "say nothing but results and errors")
    .option("--verbose", "show errors with their stack and causes, as DEBUG=1 does")
    .addHelpOption(new Option("-h, --help", "show this help").helpGroup(heading))
}

function batchSizeOption(): Option {
  return new Option("-b, --batch-size <n>", "how many at a time (default: up to 16 small ones)").argParser(
    wholeNumber(1),
  )
}

function dtypeOption(description: string, ...values: readonly string[]): Option {
  return new Option(`--dtype <${values.join("|")}>`, description).choices(values).default("fp32")
}

/** What stands below a command's options. */
function epilogue(examples: readonly string[], notes?: string): string {
  const title = styleText("bold", "Examples:")
  const parts = [[title, ...examples.map(line => `  ${line}`)].join("\n"), exitCodesHelp]
  return `\n${(notes === undefined ? parts : [notes, ...parts]).join("\n\n")}`
}
