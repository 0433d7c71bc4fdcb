import type { BlockKind } from "./blocks.ts"
import { downBlockKind, downBlockKinds, upBlockKind, upBlockKinds } from "./blocks.ts"
import type { UNet2DConfig } from "./config.ts"

/** A rule between blocks that a configuration breaks; `allowed` follows "must be". */
export interface TowerConflict {
  readonly key: "downBlockTypes" | "upBlockTypes" | "inChannels" | "outChannels" | "normNumGroups"
  readonly allowed: string
}

type TowerConfig = Pick<
  UNet2DConfig,
  "downBlockTypes" | "upBlockTypes" | "inChannels" | "outChannels" | "normNumGroups"
>

/**
 * Finds what keeps the blocks of a configuration from standing in one tower: exactly those that Diffusers can't run.
 *
 * Plain blocks mix freely. Skip blocks carry a picture that has to keep step with the features: on the way down from
 * the top on, on the way up to the end. A last block on either way resizes nothing and draws nothing, and is free.
 */
export function findTowerConflict(config: TowerConfig): TowerConflict | undefined {
  const { downBlockTypes, upBlockTypes, inChannels, outChannels, normNumGroups } = config
  const down = known(downBlockTypes.map(downBlockKind))
  const up = known(upBlockTypes.map(upBlockKind))
  if (!down) return { key: "downBlockTypes", allowed: madeOf(downBlockKinds) }
  if (!up) return { key: "upBlockTypes", allowed: madeOf(upBlockKinds) }

  const kinds = [...down, ...up]
  if (kinds.some(kind => kind.k) && !kinds.every(kind => kind.k)) {
    return { key: "downBlockTypes", allowed: "all K blocks or none, here and in up_block_types" }
  }
  const shrinking = down.slice(0, -1)
  if (shrinking.some((kind, i) => kind.skip && i > 0 && !shrinking[i - 1]!.skip)) {
    return { key: "downBlockTypes", allowed: "Skip blocks from the first on, without others between them" }
  }
  const firstDrawing = up.slice(0, -1).findIndex(kind => kind.skip)
  const draws = firstDrawing !== -1
  if (draws && !up.slice(firstDrawing).every(kind => kind.skip)) {
    return { key: "upBlockTypes", allowed: "Skip blocks from the first of them on" }
  }
  if (shrinking.some(kind => kind.skip) && inChannels !== 3) {
    return { key: "inChannels", allowed: "3 where Skip blocks are used" }
  }
  if (draws && outChannels !== 3) return { key: "outChannels", allowed: "3 where Skip blocks are used" }
  if (normNumGroups === null && kinds.some(kind => !kind.skip && !kind.k)) {
    return { key: "normNumGroups", allowed: "a number where other than Skip and K blocks are used" }
  }
  return undefined
}

function known(kinds: readonly (BlockKind | undefined)[]): BlockKind[] | undefined {
  const found = kinds.filter(kind => kind !== undefined)
  return found.length === kinds.length ? found : undefined
}

function madeOf(kinds: object): string {
  return `made of ${Object.keys(kinds).join(", ")}`
}
