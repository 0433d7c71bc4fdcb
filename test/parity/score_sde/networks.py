"""score_sde's networks in plain PyTorch, written for comparison and from their description alone.

Every network is a function of a `Weights` object, an image, a label and its configuration. Unlike the library's graphs
these spell everything out: zeros are inserted and filters applied as in StyleGAN2's upfirdn, sums are divided where the
paper divides them, attention is one einsum, interpolation is PyTorch's. They run in float64.
"""

import math

import torch
import torch.nn.functional as F

ACTIVATIONS = {
    "swish": F.silu,
    "elu": F.elu,
    "relu": F.relu,
    "lrelu": lambda x: F.leaky_relu(x, 0.2),
}


class Weights:
    """Tensors by name; the first run of a network only collects their shapes."""

    def __init__(self):
        self.shapes = {}
        self.tensors = None

    def __call__(self, name, *shape):
        assert self.shapes.setdefault(name, shape) == shape, name
        return torch.ones(shape, dtype=torch.float64) if self.tensors is None else self.tensors[name]


class Modules:
    """Counts `all_modules`."""

    def __init__(self):
        self.count = -1

    def next(self):
        self.count += 1
        return f"all_modules.{self.count}"


def conv(p, name, x, out, kernel=3, bias=True, **window):
    window.setdefault("padding", kernel // 2)
    b = p(f"{name}.bias", out) if bias else None
    return F.conv2d(x, p(f"{name}.weight", out, x.shape[1], kernel, kernel), b, **window)


def dense(p, name, x, out):
    return F.linear(x, p(f"{name}.weight", out, x.shape[1]), p(f"{name}.bias", out))


def group_norm(p, name, x, groups, eps=1e-6):
    c = x.shape[1]
    return F.group_norm(x, groups, p(f"{name}.weight", c), p(f"{name}.bias", c), eps)


def nin(p, name, x, out):
    y = torch.einsum("nchw,cd->ndhw", x, p(f"{name}.W", x.shape[1], out))
    return y + p(f"{name}.b", out)[:, None, None]


def upfirdn(x, kernel, up=1, down=1, pad=(0, 0)):
    n, c, h, w = x.shape
    x = x.reshape(n * c, 1, h, 1, w, 1)
    x = F.pad(x, (0, up - 1, 0, 0, 0, up - 1)).reshape(n * c, 1, h * up, w * up)
    x = F.conv2d(F.pad(x, (*pad, *pad)), kernel.flip(0, 1)[None, None])[:, :, ::down, ::down]
    return x.reshape(n, c, x.shape[2], x.shape[3])


def fir_kernel(gain=1):
    k = torch.outer(k1 := torch.tensor([1.0, 3, 3, 1], dtype=torch.float64), k1)
    return k / k.sum() * gain


def fir_up(x):
    return upfirdn(x, fir_kernel(4), up=2, pad=(2, 1))


def fir_down(x):
    return upfirdn(x, fir_kernel(), down=2, pad=(1, 1))


def repeat_up(x):
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


def mean_down(x):
    return F.avg_pool2d(x, 2)


def conv_up(p, name, x, out, fir):
    """Upsample with a convolution."""
    if not fir:
        return conv(p, f"{name}.Conv_0", repeat_up(x), out)
    w = p(f"{name}.Conv2d_0.weight", out, x.shape[1], 3, 3).flip(2, 3).transpose(0, 1)
    x = upfirdn(F.conv_transpose2d(x, w, stride=2), fir_kernel(4), pad=(1, 1))
    return x + p(f"{name}.Conv2d_0.bias", out)[:, None, None]


def conv_down(p, name, x, out, fir):
    """Downsample with a convolution."""
    if not fir:
        return conv(p, f"{name}.Conv_0", F.pad(x, (0, 1, 0, 1)), out, stride=2, padding=0)
    x = upfirdn(x, fir_kernel(), pad=(2, 2))
    return conv(p, f"{name}.Conv2d_0", x, out, stride=2, padding=0)


def sinusoidal(labels, width):
    half = width // 2
    freq = torch.exp(-math.log(10000) / (half - 1) * torch.arange(half, dtype=torch.float64))
    angles = labels[:, None] * freq[None]
    return F.pad(torch.cat([angles.sin(), angles.cos()], 1), (0, width % 2))


def fourier(p, name, sigma, count):
    angles = sigma.log()[:, None] * p(f"{name}.W", count)[None] * 2 * math.pi
    return torch.cat([angles.sin(), angles.cos()], 1)


def sigma_of(labels, model):
    table = torch.linspace(
        math.log(model["sigma_max"]), math.log(model["sigma_min"]), model["num_scales"], dtype=torch.float64
    )
    return table.exp()[labels.long()]


def divide(x, sigma):
    return x / sigma[:, None, None, None]


def unet(p, x, labels, model, data):
    """`ncsnpp` and `ddpm`."""
    m = model
    plus = m["name"] == "ncsnpp"
    option = lambda key, otherwise: m[key] if plus else otherwise
    fir, rescale = option("fir", False), option("skip_rescale", False)
    biggan = option("resblock_type", "ddpm") == "biggan"
    progressive, progressive_input = option("progressive", "none"), option("progressive_input", "none")
    act, nf = ACTIVATIONS[m["nonlinearity"]], m["nf"]
    up, down = (fir_up, fir_down) if fir else (repeat_up, mean_down)
    modules = Modules()
    groups = lambda c: min(c // 4, 32) if plus else 32
    add = lambda a, b: (a + b) / math.sqrt(2) if rescale else a + b

    temb = None
    if option("embedding_type", "positional") == "fourier":
        name = modules.next()
        temb = fourier(p, name, labels, nf) if m["conditional"] else None
    elif m["conditional"]:
        temb = sinusoidal(labels, nf)
    if m["conditional"]:
        temb = dense(p, modules.next(), temb, 4 * nf)
        temb = dense(p, modules.next(), act(temb), 4 * nf)

    def norm(name, h):
        return group_norm(p, name, h, groups(h.shape[1]))

    def block(h, out=None, resize=None):
        name = modules.next()
        out = out or h.shape[1]
        r = act(norm(f"{name}.GroupNorm_0", h))
        skip = h
        if resize:
            r, skip = resize(r), resize(skip)
        r = conv(p, f"{name}.Conv_0", r, out)
        if temb is not None:
            r = r + dense(p, f"{name}.Dense_0", act(temb), out)[:, :, None, None]
        r = conv(p, f"{name}.Conv_1", act(norm(f"{name}.GroupNorm_1", r)), out)
        if biggan and (resize or h.shape[1] != out):
            skip = conv(p, f"{name}.Conv_2", skip, out, kernel=1)
        elif not biggan and h.shape[1] != out:
            skip = nin(p, f"{name}.NIN_0", skip, out)
        return add(skip, r)

    def attention(h):
        name = modules.next()
        c = h.shape[1]
        n = norm(f"{name}.GroupNorm_0", h)
        q, k, v = (nin(p, f"{name}.NIN_{i}", n, c) for i in range(3))
        w = torch.einsum("nchw,ncij->nhwij", q, k) / math.sqrt(c)
        w = w.flatten(3).softmax(-1).reshape(w.shape)
        return add(h, nin(p, f"{name}.NIN_3", torch.einsum("nhwij,ncij->nchw", w, v), c))

    def draw(h, out):
        h = act(norm(modules.next(), h))
        return conv(p, modules.next(), h, out)

    def resample(h, with_conv, without):
        name = modules.next()
        return with_conv(p, name, h, h.shape[1], fir) if m["resamp_with_conv"] else without(h)

    x = x if data["centered"] else 2 * x - 1
    picture = x
    h = conv(p, modules.next(), x, nf)
    hs = [h]
    last = len(m["ch_mult"]) - 1
    attends = [data["image_size"] // 2**i in m["attn_resolutions"] for i in range(last + 1)]
    for i, mult in enumerate(m["ch_mult"]):
        for _ in range(m["num_res_blocks"]):
            h = block(h, nf * mult)
            h = attention(h) if attends[i] else h
            hs.append(h)
        if i == last:
            break
        h = block(h, resize=down) if biggan else resample(h, conv_down, down)
        if progressive_input == "input_skip":
            picture = down(picture)
            drawn = conv(p, f"{modules.next()}.Conv_0", picture, h.shape[1], kernel=1)
            h = drawn + h if m["progressive_combine"] == "sum" else torch.cat([drawn, h], 1)
        elif progressive_input == "residual":
            h = picture = add(conv_down(p, modules.next(), picture, h.shape[1], fir), h)
        hs.append(h)

    h = block(attention(block(h)))

    picture = None
    for i, mult in reversed(list(enumerate(m["ch_mult"]))):
        for _ in range(m["num_res_blocks"] + 1):
            h = block(torch.cat([h, hs.pop()], 1), nf * mult)
        h = attention(h) if attends[i] else h
        if progressive == "output_skip":
            drawn = draw(h, data["num_channels"])
            picture = drawn if picture is None else up(picture) + drawn
        elif progressive == "residual":
            if picture is None:
                picture = draw(h, h.shape[1])
            else:
                h = picture = add(conv_up(p, modules.next(), picture, h.shape[1], fir), h)
        if i > 0:
            h = block(h, resize=up) if biggan else resample(h, conv_up, up)
    y = picture if progressive == "output_skip" else draw(h, data["num_channels"])
    if not m["scale_by_sigma"]:
        return y
    return divide(y, labels if option("embedding_type", "positional") == "fourier" else sigma_of(labels, m))


def refine_net(p, x, labels, model, data):
    """`ncsn` and `ncsnv2_*`."""
    m = model
    nf, act = m["nf"], ACTIVATIONS[m["nonlinearity"]]
    conditional = m["name"] == "ncsn"
    jax = m["convention"] == "jax"

    def means_plus(x):
        mean = x.mean((2, 3))
        var = mean.var(1, unbiased=not jax, keepdim=True)
        return ((mean - mean.mean(1, keepdim=True)) / (var + 1e-5).sqrt())[:, :, None, None]

    def norm(name, h):
        c = h.shape[1]
        if conditional:
            rows = p(f"{name}.embed.weight", m["num_scales"], 3 * c)[labels.long()]
            gamma, alpha, beta = (r[:, :, None, None] for r in rows.chunk(3, 1))
            return gamma * (F.instance_norm(h) + alpha * means_plus(h)) + beta
        v = lambda leaf: p(f"{name}.{leaf}", c)[:, None, None]
        if m["normalization"] == "InstanceNorm++":
            alpha, gamma, beta = v("alpha"), v("gamma"), v("beta")
            return gamma * (F.instance_norm(h) + alpha * means_plus(h)) + beta
        if m["normalization"] == "InstanceNorm":
            return F.instance_norm(h) * v("weight") + v("bias")
        if m["normalization"] == "VarianceNorm":
            return h / (h.var((2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt() * v("weight")
        return group_norm(p, name, h, 32)

    def residual(name, x, out, down, dilation):
        window = {"dilation": dilation, "padding": dilation}
        h = act(norm(f"{name}.normalize1", x))
        h = conv(p, f"{name}.conv1", h, x.shape[1] if down else out, **window)
        h = act(norm(f"{name}.normalize2", h))
        if down and dilation == 1:
            h = F.avg_pool2d(conv(p, f"{name}.conv2.conv", h, out), 2)
            return h + F.avg_pool2d(conv(p, f"{name}.shortcut.conv", x, out, kernel=1), 2)
        h = conv(p, f"{name}.conv2", h, out, **window)
        return h + (conv(p, f"{name}.shortcut", x, out, **window) if down else x)

    def maybe_norm(name, h):
        return norm(name, h) if conditional else h

    def chains(name, x, count):
        for i in range(1, count + 1):
            h = x
            for j in (1, 2):
                h = act(maybe_norm(f"{name}.{i}_{j}_norm", h))
                h = conv(p, f"{name}.{i}_{j}_conv", h, x.shape[1], bias=False)
            x = x + h
        return x

    def resize(h, size):
        if m["interpolation"] == "nearest_neighbor":
            return F.interpolate(h, size=size, mode="nearest")
        return F.interpolate(h, size=size, mode="bilinear", align_corners=not jax)

    def refine(name, xs, out, end):
        hs = [chains(f"{name}.adapt_convs.{i}", x, 2) for i, x in enumerate(xs)]
        h = hs[0]
        if len(hs) > 1:
            normed = [maybe_norm(f"{name}.msf.norms.{i}", h) for i, h in enumerate(hs)]
            drawn = [conv(p, f"{name}.msf.convs.{i}", h, out) for i, h in enumerate(normed)]
            h = sum(resize(d, xs[0].shape[2:]) for d in drawn)
        h = path = act(h)
        for i in range(2):
            path = maybe_norm(f"{name}.crp.norms.{i}", path)
            path = F.avg_pool2d(path, 5, 1, 2) if conditional else F.max_pool2d(path, 5, 1, 2)
            path = conv(p, f"{name}.crp.convs.{i}", path, out, bias=False)
            h = h + path
        return chains(f"{name}.output_convs", h, 3 if end else 1)

    third = 2 if jax else 1
    stages, refined = {
        "ncsn": ("1 2d 2d2 2d4", {4: 2, 3: 2, 2: third, 1: 1}),
        "ncsnv2_64": ("1 2d 2d2 2d4", {4: 2, 3: 2, 2: third, 1: 1}),
        "ncsnv2_128": ("1 2d 2d 4d2 4d4", {5: 4, 4: 2, 3: 2, 2: 1, 1: 1}),
        "ncsnv2_256": ("1 2d 2d 2d 4d2 4d4", {6: 4, 5: 2, 4: 2, 3: 2, 2: 1, 1: 1}),
    }[m["name"]]
    names = {1: "1", 2: "2", 3: "3", 4: "31", 5: "4", 6: "5"} if m["name"] == "ncsnv2_256" else None
    refine_names = {1: "5", 2: "4", 3: "3", 4: "31", 5: "2", 6: "1"} if names else None
    h = conv(p, "begin_conv", x if data["centered"] else 2 * x - 1, nf)
    layers = {}
    for i, stage in enumerate(stages.split(), 1):
        width, _, dilation = stage.partition("d")
        down, dilation, out = "d" in stage, int(dilation or 1), int(width) * nf
        res = f"res{names[i] if names else i}"
        h = residual(f"{res}.0", h, out, down, dilation)
        h = layers[i] = residual(f"{res}.1", h, out, False, dilation)
    ref = None
    for i, width in refined.items():
        name = f"refine{refine_names[i] if refine_names else len(refined) + 1 - i}"
        ref = refine(name, [layers[i]] if ref is None else [layers[i], ref], width * nf, end=i == 1)
    y = conv(p, "end_conv", act(norm("normalizer", ref)), data["num_channels"])
    return divide(y, sigma_of(labels, m)) if m["scale_by_sigma"] else y


def wide_resnet(p, x, sigma, model, data):
    """The noise-conditional classifier."""
    v = lambda key: torch.tensor(model[key], dtype=torch.float64)[:, None, None]
    x = (x - v("pixel_mean")) / v("pixel_std")
    count = x[0].numel()
    std = x.std((1, 2, 3), unbiased=False, keepdim=True)
    x = (x - x.mean((1, 2, 3), keepdim=True)) / std.clamp(min=1 / math.sqrt(count))
    temb = dense(p, "Dense_0", fourier(p, "GaussianFourierProjection_0", sigma, 128), 512)
    temb = F.silu(dense(p, "Dense_1", F.silu(temb), 512))

    def act(name, h):
        return F.relu(group_norm(p, name, h, min(h.shape[1] // 4, 32), 1e-5))

    h = conv(p, "init_conv", x, 16, bias=False)
    for i, width in enumerate((16, 32, 64)):
        out = width * model["channel_multiplier"]
        for j in range(model["blocks_per_group"]):
            name = f"WideResnetGroup_{i}.WideResnetBlock_{j}"
            r = act(f"{name}.init_bn", h)
            skip = r if i == j == 0 else h
            if i > 0 and j == 0:
                r = F.pad(r, (0, 1, 0, 1))
                r = conv(p, f"{name}.conv1", r, out, bias=False, stride=2, padding=0)
            else:
                r = conv(p, f"{name}.conv1", r, out, bias=False)
            r = r + dense(p, f"{name}.Dense_0", temb, out)[:, :, None, None]
            r = conv(p, f"{name}.conv2", act(f"{name}.bn_2", r), out, bias=False)
            if skip.shape[1] != out:
                skip = F.avg_pool2d(skip, 2) if i > 0 else skip
                skip = F.pad(skip, (0, 0, 0, 0, 0, out - skip.shape[1]))
            h = r + skip
    return dense(p, "Dense_2", act("pre-pool-bn", h).mean((2, 3)), model["num_classes"])


def network(p, x, labels, model, data):
    """The network that `model["name"]` names."""
    name = model["name"]
    run = wide_resnet if name == "wideresnet" else unet if name in ("ncsnpp", "ddpm") else refine_net
    return run(p, x, labels, model, data)
