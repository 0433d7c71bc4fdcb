import type { JsonObject } from "../config/json.ts"
import type { WarningHandler } from "../config/warnings.ts"
import type { GraphBuilderOptions } from "../graph/builder.ts"
import type { Graph } from "../graph/types.ts"

/** Height and width of pictures. */
export type PictureSize = readonly [height: number, width: number]

/** A kind of network: how its configuration is read, and what is made of it. */
export interface Architecture<Config> {
  /** What `model_index.json` calls it. */
  readonly className: string
  /**
   * Reads a parsed `config.json`.
   *
   * @throws ConfigError
   */
  readonly readConfig: (json: JsonObject, options: ReadNetworkOptions) => Config
  /** The text of `config.json`. */
  readonly formatConfig: (config: Config) => string
  readonly channels: (config: Config) => {
    readonly inChannels: number
    readonly outChannels: number
  }
  /** How many classes a class-conditional network knows, where it counts them. Default: it counts none. */
  readonly numClasses?: (config: Config) => number | undefined
  /**
   * The size of the pictures: what the caller asks for, else what the configuration says.
   *
   * @throws InputError `INVALID_ARGUMENT` for a size that the network can't have.
   */
  readonly pictureSize: (config: Config, asked: PictureSize | undefined) => PictureSize
  /** Loads the code that builds its graphs, which only a model that has to be converted needs. */
  readonly loadGraph: () => Promise<NetworkGraph<Config>>
}

export interface ReadNetworkOptions {
  /** How errors call the file. */
  readonly file: string
  /** Takes the place of the configuration's. */
  readonly size?: PictureSize | undefined
  readonly onWarning?: WarningHandler | undefined
}

/** Builds the network as a graph, of the inputs and the output that `networkNames` names. */
export type NetworkGraph<Config> = (
  config: Config,
  size: PictureSize,
  options?: Pick<GraphBuilderOptions, "precision">,
) => Graph
