"""The networks of test/fixtures/score-sde/networks.json: one small network per option, in particular those with which
yang-song/score_sde_pytorch itself can't run."""

NOISE = {"sigma_min": 0.01, "sigma_max": 50, "num_scales": 1000}
DATA = {"image_size": 16, "num_channels": 3, "centered": False}

NCSNPP = {
    **NOISE,
    "name": "ncsnpp",
    "nf": 16,
    "nonlinearity": "swish",
    "scale_by_sigma": True,
    "ch_mult": [1, 2],
    "num_res_blocks": 1,
    "attn_resolutions": [8],
    "resamp_with_conv": True,
    "conditional": True,
    "fir": True,
    "skip_rescale": True,
    "resblock_type": "biggan",
    "progressive": "none",
    "progressive_input": "residual",
    "progressive_combine": "sum",
    "embedding_type": "fourier",
}
DDPM = {
    **NOISE,
    "name": "ddpm",
    "nf": 32,
    "nonlinearity": "swish",
    "scale_by_sigma": False,
    "ch_mult": [1, 2],
    "num_res_blocks": 1,
    "attn_resolutions": [8],
    "resamp_with_conv": True,
    "conditional": True,
}
NCSNV2 = {
    **NOISE,
    "name": "ncsnv2_64",
    "num_scales": 232,
    "nf": 8,
    "nonlinearity": "elu",
    "scale_by_sigma": True,
    "normalization": "InstanceNorm++",
    "interpolation": "bilinear",
    "convention": "jax",
}
NCSN = {**NCSNV2, "name": "ncsn", "sigma_max": 1, "num_scales": 10, "scale_by_sigma": False}
del NCSN["normalization"]
WIDERESNET = {
    "name": "wideresnet",
    "num_classes": 10,
    "blocks_per_group": 2,
    "channel_multiplier": 2,
    "pixel_mean": [0.49139968, 0.48215841, 0.44653091],
    "pixel_std": [0.24703223, 0.24348513, 0.26158784],
}

SIGMAS, STEPS, LEVELS = [5.0, 0.3], [369.63, 10.989], [400.0, 7.0]


def case(name, base, labels, /, size=(16, 16), data=None, **options):
    data = {**DATA, "image_size": size[0], **(data or {})}
    return {"name": name, "model": {**base, **options}, "data": data, "labels": labels, "size": list(size)}


def pp(name, labels=SIGMAS, **options):
    return case(f"ncsnpp {name}", NCSNPP, labels, **options)


DDPM_BLOCKS = {"resblock_type": "ddpm"}
THREE_LEVELS = {"ch_mult": [1, 2, 2], "num_res_blocks": 2}

CASES = [
    pp("base"),
    pp("elu", nonlinearity="elu"),
    pp("relu", nonlinearity="relu"),
    pp("positional, by level", LEVELS, embedding_type="positional"),
    pp("positional, fractional level", [400.9, 7.2], embedding_type="positional"),
    pp("odd width", STEPS, embedding_type="positional", scale_by_sigma=False, nf=5),
    pp("unconditional fourier", conditional=False),
    pp("unconditional positional", LEVELS, conditional=False, embedding_type="positional"),
    pp("no attention but in the middle", attn_resolutions=[]),
    pp("attention at full size", attn_resolutions=[16, 8]),
    pp("three levels", **THREE_LEVELS),
    pp("three levels, input_skip, output_skip", **THREE_LEVELS, progressive_input="input_skip", progressive="output_skip"),
    pp("input_skip cat", progressive_input="input_skip", progressive_combine="cat"),
    pp("three levels, input_skip cat", **THREE_LEVELS, progressive_input="input_skip", progressive_combine="cat"),
    pp("output_skip without fir", fir=False, progressive="output_skip", progressive_input="input_skip"),
    pp("progressive residual", progressive="residual"),
    pp("progressive residual without fir", progressive="residual", fir=False),
    pp("progressive residual without skip_rescale", progressive="residual", skip_rescale=False),
    pp("three levels, progressive residual", **THREE_LEVELS, progressive="residual"),
    pp("resblock ddpm", **DDPM_BLOCKS),
    pp("resblock ddpm without fir", **DDPM_BLOCKS, fir=False),
    pp("resblock ddpm without fir and conv", **DDPM_BLOCKS, fir=False, resamp_with_conv=False),
    pp("resblock ddpm, input_skip, output_skip", **DDPM_BLOCKS, progressive_input="input_skip", progressive="output_skip"),
    pp("resblock ddpm, three levels, cat, residual", **DDPM_BLOCKS, **THREE_LEVELS, progressive_input="input_skip",
       progressive_combine="cat", progressive="residual"),
    pp("one channel", data={"num_channels": 1}, progressive_input="input_skip", progressive="output_skip"),
    pp("of another size", size=(24, 8), data={"image_size": 16}),
    case("ddpm unconditional", DDPM, LEVELS, conditional=False),
    case("ddpm by level", DDPM, LEVELS, scale_by_sigma=True),
    case("ddpm without conv", DDPM, STEPS, resamp_with_conv=False),
    case("ncsnv2_64", NCSNV2, [100.0, 7.0]),
    case("ncsnv2_64 as in pytorch", NCSNV2, [100.0, 7.0], convention="pytorch"),
    case("ncsnv2_64 nearest, centered", NCSNV2, [100.0, 7.0], interpolation="nearest_neighbor", data={"centered": True}),
    case("ncsnv2_64 InstanceNorm", NCSNV2, [100.0, 7.0], normalization="InstanceNorm", scale_by_sigma=False),
    case("ncsnv2_64 VarianceNorm", NCSNV2, [100.0, 7.0], normalization="VarianceNorm"),
    case("ncsnv2_64 GroupNorm", NCSNV2, [100.0, 7.0], normalization="GroupNorm", nf=32),
    case("ncsnv2_128", NCSNV2, [100.0, 7.0], name="ncsnv2_128"),
    case("ncsnv2_128 as in pytorch", NCSNV2, [100.0, 7.0], name="ncsnv2_128", convention="pytorch"),
    case("ncsnv2_256", NCSNV2, [100.0, 7.0], name="ncsnv2_256"),
    case("ncsn", NCSN, [9.0, 2.0]),
    case("ncsn as in pytorch", NCSN, [9.0, 2.0], convention="pytorch"),
    case("ncsn scaled", NCSN, [9.0, 2.0], scale_by_sigma=True),
    case("wideresnet", WIDERESNET, SIGMAS),
]  # fmt: skip
