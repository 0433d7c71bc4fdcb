import type { PhiloxPosition } from "../random/philox-generator.ts"

/** Numbers that a stream is made of, as 32-bit words. */
export const streamWords = 8

/**
 * The words from which the device draws what a `PhiloxGenerator` with this seed and position draws on the CPU, for
 * shapes with `perSample` elements in each of `samples` entries. A draw moves it on by one.
 */
export function noiseStream(
  seed: bigint,
  { sample = 0, draw = 0 }: PhiloxPosition,
  samples: number,
  perSample: number,
): Int32Array {
  const words = Uint32Array.of(
    Number(seed & 0xffffffffn),
    Number(seed >> 32n),
    draw,
    sample >>> 0,
    Math.floor(sample / 2 ** 32),
    samples,
    perSample,
    0,
  )
  return new Int32Array(words.buffer)
}

const groupSize = 64
// A device takes at most 65535 in a row. So many keep any busy, each with as many blocks as there are for it.
const mostGroups = 1024

// Philox4x32-10 and Box–Muller exactly as in src/random: see there for the sources. WGSL's own logarithm, sine and cosine
// are not exact enough. A sum of a product may be fused or not, so a number differs in its last bits from the CPU's.
const program = `
@group(0) @binding(0) var<storage, read_write> stream: array<u32, 8>;
@group(0) @binding(1) var<storage, read_write> noise: array<f32>;

fn multiplyHigh(a: u32, b: u32) -> u32 {
  let aLow = a & 0xffffu; let aHigh = a >> 16u;
  let bLow = b & 0xffffu; let bHigh = b >> 16u;
  let crossA = aHigh * bLow; let crossB = aLow * bHigh;
  let carry = (((aLow * bLow) >> 16u) + (crossA & 0xffffu) + (crossB & 0xffffu)) >> 16u;
  return aHigh * bHigh + (crossA >> 16u) + (crossB >> 16u) + carry;
}

fn philox(start: vec4u, startKey: vec2u) -> vec4u {
  var c = start; var k = startKey;
  for (var round = 0u; round < 10u; round++) {
    c = vec4u(
      multiplyHigh(0xcd9e8d57u, c.z) ^ c.y ^ k.x, 0xcd9e8d57u * c.z,
      multiplyHigh(0xd2511f53u, c.x) ^ c.w ^ k.y, 0xd2511f53u * c.x);
    k += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}

fn logarithm(value: f32) -> f32 {
  let shifted = bitcast<i32>(value) + (0x3f800000 - 0x3f3504f3);
  let exponent = f32((shifted >> 23u) - 127);
  let x = bitcast<f32>((shifted & 0x7fffff) + 0x3f3504f3) - 1.0;
  let z = x * x;
  var y = 7.0376836292e-2 * x - 1.151461031e-1;
  y = y * x + 1.167699874e-1;
  y = y * x - 1.2420140846e-1;
  y = y * x + 1.4249322787e-1;
  y = y * x - 1.6668057665e-1;
  y = y * x + 2.0000714765e-1;
  y = y * x - 2.4999993993e-1;
  y = y * x + 3.3333331174e-1;
  y = y * x * z + exponent * -2.1219444e-4;
  y = y - 0.5 * z;
  return exponent * 0.693359375 + (x + y);
}

/** Two normal numbers from a radius's and an angle's uniform ones. */
fn normals(forRadius: f32, forAngle: f32) -> vec2f {
  let radius = sqrt(-2.0 * logarithm(forRadius));
  let angle = 6.2831855 * forAngle;
  let octants = (i32(angle * 1.27323954473516) + 1) & ~1;
  let o = f32(octants);
  let x = angle - o * 0.78515625 - o * 2.4187564849853516e-4 - o * 3.774894977445941e-8;
  let z = x * x;
  var cosine = (2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2;
  cosine = cosine * z * z - 0.5 * z + 1.0;
  var sine = (-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1;
  sine = sine * z * x + x;
  // By quarter turns: (c, s), (−s, c), (−c, −s), (s, −c).
  let quarter = (octants >> 1u) & 3;
  var pair = vec2f(cosine, sine);
  if (quarter == 1) { pair = vec2f(-sine, cosine); }
  if (quarter == 2) { pair = vec2f(-cosine, -sine); }
  if (quarter == 3) { pair = vec2f(sine, -cosine); }
  return radius * pair;
}

fn drawBlock(sampleIndex: u32, block: u32, perSample: u32) {
  let low = stream[3] + sampleIndex;
  let high = stream[4] + select(0u, 1u, low < sampleIndex);
  var words: array<u32, 16>;
  for (var i = 0u; i < 4u; i++) {
    let four = philox(vec4u(4u * block + i, stream[2], low, high), vec2u(stream[0], stream[1]));
    words[4u * i] = four.x; words[4u * i + 1u] = four.y; words[4u * i + 2u] = four.z; words[4u * i + 3u] = four.w;
  }
  let start = sampleIndex * perSample + block * 16u;
  let count = min(16u, perSample - block * 16u);
  for (var i = 0u; i < 8u; i++) {
    let unit = 2.3283064365386963e-10;
    // word + 1, which may be 2^32.
    let next = words[i] + 1u;
    let pair = normals(select(f32(next) * unit, 1.0, next == 0u), f32(words[i + 8u]) * unit);
    if (i < count) { noise[start + i] = pair.x; }
    if (i + 8u < count) { noise[start + i + 8u] = pair.y; }
  }
}

@compute @workgroup_size(${groupSize})
fn draw(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let samples = stream[5]; let perSample = stream[6];
  let blocks = (perSample + 15u) / 16u;
  for (var i = id.x; i < samples * blocks; i += groups.x * ${groupSize}u) {
    drawBlock(i / blocks, i % blocks, perSample);
  }
}

@compute @workgroup_size(1)
fn advance() { stream[2] += 1u; }
`

/** Draws standard normal numbers on a device. */
export class GpuNoise {
  readonly #gpu: GPUDevice
  readonly #draw: GPUComputePipeline
  readonly #advance: GPUComputePipeline
  readonly #layout: GPUBindGroupLayout

  private constructor(
    gpu: GPUDevice,
    layout: GPUBindGroupLayout,
    [draw, advance]: readonly [GPUComputePipeline, GPUComputePipeline],
  ) {
    this.#gpu = gpu
    this.#layout = layout
    this.#draw = draw
    this.#advance = advance
  }

  /** Compiles the programs; rejects where the device refuses them. */
  static async on(gpu: GPUDevice): Promise<GpuNoise> {
    const module = gpu.createShaderModule({ code: program })
    const storage = (binding: number): GPUBindGroupLayoutEntry => ({
      binding,
      visibility: GPUShaderStage.COMPUTE,
      buffer: { type: "storage" },
    })
    const group = gpu.createBindGroupLayout({ entries: [storage(0), storage(1)] })
    const layout = gpu.createPipelineLayout({ bindGroupLayouts: [group] })
    const pipeline = (entryPoint: string): Promise<GPUComputePipeline> =>
      gpu.createComputePipelineAsync({ layout, compute: { module, entryPoint } })
    return new GpuNoise(gpu, group, await Promise.all([pipeline("draw"), pipeline("advance")]))
  }

  /** Fills `noise` with the next draw of `stream`, of as many elements as the stream was made for. */
  draw(stream: GPUBuffer, noise: GPUBuffer, elements: number): void {
    const group = this.#gpu.createBindGroup({
      layout: this.#layout,
      entries: [stream, noise].map((buffer, binding) => ({ binding, resource: { buffer } })),
    })
    const encoder = this.#gpu.createCommandEncoder()
    const pass = encoder.beginComputePass()
    pass.setBindGroup(0, group)
    pass.setPipeline(this.#draw)
    pass.dispatchWorkgroups(Math.min(Math.ceil(elements / groupSize), mostGroups))
    pass.setPipeline(this.#advance)
    pass.dispatchWorkgroups(1)
    pass.end()
    this.#gpu.queue.submit([encoder.finish()])
  }
}
