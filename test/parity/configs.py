"""The configurations that the parity suite builds, as the models on the Hub have them."""

SQRT2 = 1.41421356237  # as the google/ncsnpp-* configs write it


def _ncsnpp(**changes):
    return {
        "act_fn": "silu",
        "attention_head_dim": None,
        "center_input_sample": True,
        "downsample_padding": 1,
        "flip_sin_to_cos": True,
        "freq_shift": 0,
        "in_channels": 3,
        "layers_per_block": 1,
        "mid_block_scale_factor": SQRT2,
        "norm_eps": 1e-06,
        "norm_num_groups": None,
        "out_channels": 3,
        "time_embedding_type": "fourier",
        **changes,
    }


def _ddpm(**changes):
    return {
        "act_fn": "silu",
        "attention_head_dim": None,
        "center_input_sample": False,
        "downsample_padding": 0,
        "flip_sin_to_cos": False,
        "freq_shift": 1,
        "in_channels": 3,
        "layers_per_block": 2,
        "mid_block_scale_factor": 1,
        "norm_eps": 1e-06,
        "norm_num_groups": 32,
        "out_channels": 3,
        "time_embedding_type": "positional",
        **changes,
    }


# google/ncsnpp-ffhq-1024
NCSNPP_1024 = _ncsnpp(
    block_out_channels=[16, 32, 64, 128, 256, 512, 512, 512],
    down_block_types=["SkipDownBlock2D"] * 6 + ["AttnSkipDownBlock2D", "SkipDownBlock2D"],
    up_block_types=["SkipUpBlock2D", "AttnSkipUpBlock2D"] + ["SkipUpBlock2D"] * 6,
    sample_size=1024,
)

# google/ncsnpp-{celebahq,ffhq,church,bedroom}-256
NCSNPP_256 = _ncsnpp(
    block_out_channels=[128, 128, 256, 256, 256, 256, 256],
    down_block_types=["SkipDownBlock2D"] * 4 + ["AttnSkipDownBlock2D"] + ["SkipDownBlock2D"] * 2,
    up_block_types=["SkipUpBlock2D"] * 2 + ["AttnSkipUpBlock2D"] + ["SkipUpBlock2D"] * 4,
    layers_per_block=2,
    sample_size=256,
)

# google/ddpm-cifar10-32
DDPM_CIFAR10_32 = _ddpm(
    block_out_channels=[128, 256, 256, 256],
    down_block_types=["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"],
    up_block_types=["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
    sample_size=32,
)

# google/ddpm-{celebahq,bedroom,church,cat}-256
DDPM_256 = _ddpm(
    block_out_channels=[128, 128, 256, 256, 512, 512],
    down_block_types=["DownBlock2D"] * 4 + ["AttnDownBlock2D", "DownBlock2D"],
    up_block_types=["UpBlock2D", "AttnUpBlock2D"] + ["UpBlock2D"] * 4,
    sample_size=256,
)

# The three small models whose whole outputs are kept in test/fixtures/unet2d/golden.json.
NCSNPP_TINY_128CH = {
    "attention_head_dim": None,
    "block_out_channels": [128, 128],
    "center_input_sample": True,
    "down_block_types": ["SkipDownBlock2D", "AttnSkipDownBlock2D"],
    "in_channels": 3,
    "layers_per_block": 1,
    "mid_block_scale_factor": SQRT2,
    "norm_eps": 1e-06,
    "norm_num_groups": None,
    "out_channels": 3,
    "sample_size": 16,
    "time_embedding_type": "fourier",
    "up_block_types": ["AttnSkipUpBlock2D", "SkipUpBlock2D"],
}

# Diffusers' own NCSN++ test model (but for the scale factor, which is exactly √2 there).
NCSNPP_TINY_TEST = {
    "attention_head_dim": 8,
    "block_out_channels": [32, 64, 64, 64],
    "down_block_types": ["SkipDownBlock2D", "AttnSkipDownBlock2D", "SkipDownBlock2D", "SkipDownBlock2D"],
    "in_channels": 3,
    "layers_per_block": 1,
    "mid_block_scale_factor": SQRT2,
    "norm_eps": 1e-06,
    "norm_num_groups": None,
    "out_channels": 3,
    "sample_size": 32,
    "time_embedding_type": "fourier",
    "up_block_types": ["SkipUpBlock2D", "SkipUpBlock2D", "AttnSkipUpBlock2D", "SkipUpBlock2D"],
}

DDPM_TINY = {
    "block_out_channels": [32, 64],
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
    "in_channels": 3,
    "layers_per_block": 2,
    "out_channels": 3,
    "sample_size": 32,
    "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
}
