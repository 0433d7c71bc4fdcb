import { ScoreSdeError } from "../errors.ts"

/**
 * A graph could not be built, read or written.
 *
 * - `GRAPH_SHAPE`: an operator's inputs don't fit together; the message has the operator, its place and the shapes.
 * - `GRAPH_STRUCTURE`: names that clash or that nothing defines, missing outputs.
 * - `GRAPH_UNKNOWN_OPERATOR`: an operator that this library has no rule for.
 * - `GRAPH_INVALID_FILE`: bytes that are not a usable ONNX model.
 * - `GRAPH_TOO_LARGE`: a model that doesn't fit into one ONNX file.
 * - `GRAPH_RANGE`: a weight beyond the range of the graph's element type.
 */
export class GraphError extends ScoreSdeError<
  | "GRAPH_SHAPE"
  | "GRAPH_STRUCTURE"
  | "GRAPH_UNKNOWN_OPERATOR"
  | "GRAPH_INVALID_FILE"
  | "GRAPH_TOO_LARGE"
  | "GRAPH_RANGE"
> {
  override readonly name: string = "GraphError"
}
