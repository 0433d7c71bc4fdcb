"""Small UNet2DModel configurations, one or more for every option and block that Diffusers can run.

A case is a dict: `name`, `config`, and where they differ from the defaults `timestep` (a list; float32 if any entry
is a float, else int64), `batch`, `size` ([height, width]), `labels` (class labels: ints, floats, or "identity").
`differs_from` names the case that must give another output: it guards against a case that tests nothing.
"""

from configs import SQRT2

PLAIN = {
    "sample_size": 8,
    "block_out_channels": [8, 16],
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "attention_head_dim": 8,
}
SKIP = {
    "sample_size": 8,
    "block_out_channels": [32, 32],
    "down_block_types": ["SkipDownBlock2D", "AttnSkipDownBlock2D"],
    "up_block_types": ["AttnSkipUpBlock2D", "SkipUpBlock2D"],
    "layers_per_block": 1,
    "norm_num_groups": None,
    "attention_head_dim": None,
    "time_embedding_type": "fourier",
    "mid_block_scale_factor": SQRT2,
    "norm_eps": 1e-06,
}


def plain(name, differs_from="plain", **changes):
    return _case(name, PLAIN, differs_from, changes)


def skip(name, differs_from="skip", **changes):
    return _case(name, SKIP, differs_from, changes)


def _case(name, base, differs_from, changes):
    extra = {key: changes.pop(key) for key in ("timestep", "batch", "size", "labels") if key in changes}
    config = {**base, **changes}
    return {
        "name": name,
        "config": config,
        **extra,
        **({"differs_from": differs_from} if differs_from else {}),
    }


def tower(down, up, channels, **changes):
    return {"down_block_types": down, "up_block_types": up, "block_out_channels": channels, **changes}


BLOCKS = [
    plain("plain", None),
    skip("skip", None),
    # Every plain block, in the first, a middle and the final place.
    plain("down-up", **tower(["DownBlock2D"] * 2, ["UpBlock2D"] * 2, [8, 16])),
    plain("down-up one level", **tower(["DownBlock2D"], ["UpBlock2D"], [8])),
    plain(
        "down-up three levels, two layers",
        **tower(["DownBlock2D"] * 3, ["UpBlock2D"] * 3, [8, 12, 16]),
        layers_per_block=2,
    ),
    plain("attention everywhere", **tower(["AttnDownBlock2D"] * 3, ["AttnUpBlock2D"] * 3, [8, 16, 16])),
    plain(
        "attention in the middle, two layers",
        **tower(
            ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D"],
            ["UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
            [8, 16, 16],
        ),
        layers_per_block=2,
    ),
    plain(
        "attention down only",
        **tower(["AttnDownBlock2D", "DownBlock2D"], ["UpBlock2D", "UpBlock2D"], [8, 16]),
    ),
    plain(
        "resnet resampling blocks",
        **tower(["ResnetDownsampleBlock2D"] * 3, ["ResnetUpsampleBlock2D"] * 3, [8, 12, 16]),
    ),
    plain(
        "resnet resampling and plain blocks",
        **tower(
            ["ResnetDownsampleBlock2D", "DownBlock2D", "AttnDownBlock2D"],
            ["UpBlock2D", "ResnetUpsampleBlock2D", "AttnUpBlock2D"],
            [8, 12, 16],
        ),
    ),
    plain(
        "UNetRes prefix",
        None,
        **tower(
            ["UNetResDownBlock2D", "UNetResAttnDownBlock2D"],
            ["UNetResAttnUpBlock2D", "UNetResUpBlock2D"],
            [8, 16],
        ),
    ),
    plain("channels that shrink", **tower(["DownBlock2D"] * 3, ["UpBlock2D"] * 3, [16, 8, 12])),
    # Skip blocks.
    skip("skip one level", **tower(["SkipDownBlock2D"], ["SkipUpBlock2D"], [16])),
    skip(
        "skip three levels, two layers",
        **tower(["SkipDownBlock2D"] * 3, ["SkipUpBlock2D"] * 3, [16, 32, 32]),
        layers_per_block=2,
    ),
    skip(
        "skip attention everywhere",
        **tower(["AttnSkipDownBlock2D"] * 3, ["AttnSkipUpBlock2D"] * 3, [32, 32, 64]),
    ),
    skip(
        "skip attention in the middle",
        **tower(
            ["SkipDownBlock2D", "AttnSkipDownBlock2D", "SkipDownBlock2D"],
            ["SkipUpBlock2D", "AttnSkipUpBlock2D", "SkipUpBlock2D"],
            [32, 64, 32],
        ),
    ),
    # AttnSkipUpBlock2D's first norms have min(in + skip // 4, 32) groups where SkipUpBlock2D has min((in + skip) // 4, 32):
    # 32 instead of 24 for 64 + 32 channels, 24 instead of 12 for 16 + 32.
    skip(
        "skip group count of 64 + 32 channels",
        **tower(["SkipDownBlock2D"] * 2, ["AttnSkipUpBlock2D", "SkipUpBlock2D"], [32, 64]),
    ),
    skip(
        "skip group count of 16 + 32 channels",
        **tower(["SkipDownBlock2D"] * 2, ["SkipUpBlock2D", "AttnSkipUpBlock2D"], [32, 16]),
    ),
    skip("skip small channels", **tower(["SkipDownBlock2D"] * 2, ["SkipUpBlock2D"] * 2, [4, 8])),
    # The image pyramid has 3 channels only where it is really made.
    skip(
        "skip one level, four channels in, two out",
        in_channels=4,
        out_channels=2,
        **tower(["SkipDownBlock2D"], ["SkipUpBlock2D"], [16]),
    ),
    skip(
        "skip down, plain up, five channels out",
        norm_num_groups=8,
        out_channels=5,
        **tower(["SkipDownBlock2D"] * 2, ["UpBlock2D"] * 2, [16, 32]),
    ),
    skip(
        "plain down, skip up, one channel in",
        norm_num_groups=8,
        in_channels=1,
        **tower(["DownBlock2D"] * 2, ["SkipUpBlock2D"] * 2, [16, 32]),
    ),
    # Towers that mix: the pyramid is read and written only by Skip blocks.
    skip(
        "skip down, plain up",
        norm_num_groups=8,
        **tower(["SkipDownBlock2D", "AttnSkipDownBlock2D"], ["AttnUpBlock2D", "UpBlock2D"], [16, 32]),
    ),
    skip(
        "plain down, skip up",
        norm_num_groups=8,
        **tower(["DownBlock2D", "AttnDownBlock2D"], ["AttnSkipUpBlock2D", "SkipUpBlock2D"], [32, 32]),
    ),
    skip(
        "skip tower, plain bottom",
        norm_num_groups=8,
        **tower(
            ["SkipDownBlock2D", "SkipDownBlock2D", "AttnDownBlock2D"],
            ["AttnUpBlock2D", "SkipUpBlock2D", "SkipUpBlock2D"],
            [16, 32, 32],
        ),
    ),
    # k-diffusion blocks (AdaGroupNorm, reflected blur); 32 channels a group.
    plain(
        "k blocks",
        norm_num_groups=32,
        **tower(["KDownBlock2D"] * 2, ["KUpBlock2D"] * 2, [32, 64]),
        layers_per_block=2,
    ),
    plain(
        "k blocks, one layer", norm_num_groups=8, **tower(["KDownBlock2D"] * 2, ["KUpBlock2D"] * 2, [32, 64])
    ),
    plain(
        "k blocks, three levels, gelu",
        norm_num_groups=8,
        act_fn="gelu",
        **tower(["KDownBlock2D"] * 3, ["KUpBlock2D"] * 3, [32, 32, 64]),
        layers_per_block=2,
    ),
    plain(
        "k blocks with 48 channels",
        norm_num_groups=8,
        **tower(["KDownBlock2D"] * 2, ["KUpBlock2D"] * 2, [32, 48]),
    ),
    plain(
        "k blocks, scale_shift in the middle",
        "k blocks, one layer",
        norm_num_groups=8,
        resnet_time_scale_shift="scale_shift",
        **tower(["KDownBlock2D"] * 2, ["KUpBlock2D"] * 2, [32, 64]),
    ),
    # Middle.
    plain("no mid block", mid_block_type=None),
    plain("mid without attention", add_attention=False),
    plain("mid scale factor", mid_block_scale_factor=2.5),
]

OPTIONS = [
    # Images.
    plain("one channel", in_channels=1, out_channels=1),
    plain("four channels in, six out", in_channels=4, out_channels=6),
    plain("not square", sample_size=[8, 12], size=[8, 12]),
    plain("other size than sample_size", size=[16, 4]),
    plain("center_input_sample", center_input_sample=True),
    skip("skip center_input_sample", center_input_sample=True),
    skip("skip not square", sample_size=[16, 8], size=[16, 8]),
    plain("batch of two", batch=2, timestep=[3, 900]),
    skip("skip batch of two", batch=2, timestep=[0.02, 40.5]),
    plain("one timestep for a batch of two", batch=2, timestep=[17]),
    # Time.
    plain("float timestep", timestep=[10.75]),
    plain("freq_shift 1", freq_shift=1),
    plain("flip_sin_to_cos false", flip_sin_to_cos=False),
    plain("freq_shift 1, flip_sin_to_cos false", freq_shift=1, flip_sin_to_cos=False),
    plain(
        "odd time features",
        norm_num_groups=3,
        resnet_time_scale_shift="scale_shift",
        **tower(["DownBlock2D"], ["UpBlock2D"], [9]),
    ),
    plain(
        "odd time features, not flipped",
        "odd time features",
        norm_num_groups=3,
        flip_sin_to_cos=False,
        resnet_time_scale_shift="scale_shift",
        **tower(["DownBlock2D"], ["UpBlock2D"], [9]),
    ),
    plain("fourier time", time_embedding_type="fourier", timestep=[5.0]),
    plain(
        "fourier time, flip_sin_to_cos is ignored",
        None,
        time_embedding_type="fourier",
        flip_sin_to_cos=False,
        freq_shift=1,
        timestep=[5.0],
    ),
    skip("skip large sigma", timestep=[1348.0]),
    skip("skip small sigma", timestep=[0.01]),
    plain("learned time", time_embedding_type="learned", num_train_timesteps=20, timestep=[13]),
    plain(
        "learned time, batch of two",
        "learned time",
        time_embedding_type="learned",
        num_train_timesteps=20,
        timestep=[0, 19],
        batch=2,
    ),
    plain("time_embedding_dim", time_embedding_dim=20),
    # Classes.
    plain("class embedding", num_class_embeds=5, labels=[3]),
    plain(
        "class embedding, batch of two",
        "class embedding",
        num_class_embeds=5,
        labels=[0, 4],
        batch=2,
        timestep=[7, 8],
    ),
    plain("class_embed_type timestep", class_embed_type="timestep", labels=[2.5]),
    plain(
        "class_embed_type timestep, fourier",
        time_embedding_type="fourier",
        class_embed_type="timestep",
        labels=[2.5],
        timestep=[5.0],
    ),
    plain(
        "class_embed_type timestep, learned",
        time_embedding_type="learned",
        num_train_timesteps=20,
        class_embed_type="timestep",
        labels=[4],
        timestep=[13],
    ),
    plain(
        "class_embed_type timestep with num_class_embeds",
        "plain",
        class_embed_type="timestep",
        num_class_embeds=5,
        labels=[2.5],
    ),
    plain("class_embed_type identity", class_embed_type="identity", labels="identity"),
    skip("skip class embedding", num_class_embeds=3, labels=[1]),
    # Residual blocks.
    plain("scale_shift", resnet_time_scale_shift="scale_shift"),
    plain(
        "scale_shift, mid attention norm",
        "scale_shift",
        resnet_time_scale_shift="scale_shift",
        attn_norm_num_groups=4,
    ),
    skip("skip scale_shift", resnet_time_scale_shift="scale_shift"),
    plain(
        "scale_shift resnet resampling blocks",
        resnet_time_scale_shift="scale_shift",
        **tower(["ResnetDownsampleBlock2D"] * 2, ["ResnetUpsampleBlock2D"] * 2, [8, 16]),
    ),
    plain("dropout is off in inference", None, dropout=0.5),
    *[
        plain(f"act_fn {name}", None if name in ("swish", "SiLU") else "plain", act_fn=name)
        for name in ("swish", "SiLU", "mish", "gelu", "relu")
    ],
    *[skip(f"skip act_fn {name}", act_fn=name) for name in ("mish", "gelu", "relu")],
    plain("norm_eps", norm_eps=0.5),
    skip("skip norm_eps", norm_eps=0.5),
    plain("norm_num_groups 1", norm_num_groups=1),
    plain(
        "norm_num_groups null with k blocks",
        norm_num_groups=None,
        **tower(["KDownBlock2D"], ["KUpBlock2D"], [32]),
        layers_per_block=2,
    ),
    skip("skip norm_num_groups 16", norm_num_groups=16),
    # Attention.
    plain("attention_head_dim null", attention_head_dim=None),
    plain("attention_head_dim 2", attention_head_dim=2),
    plain("attention_head_dim 1", attention_head_dim=1),
    plain("attention_head_dim that doesn't divide", attention_head_dim=5),
    plain("attn_norm_num_groups", attn_norm_num_groups=2),
    skip("skip attention_head_dim 8", attention_head_dim=8),
    skip("skip attn_norm_num_groups", attn_norm_num_groups=2),
    # Resampling.
    plain("downsample_padding 0", downsample_padding=0),
    plain(
        "downsample_padding 0, attention block",
        downsample_padding=0,
        **tower(["AttnDownBlock2D"] * 2, ["AttnUpBlock2D"] * 2, [8, 16]),
    ),
    skip("skip ignores downsample_padding", None, downsample_padding=0),
    plain(
        "downsample_type resnet",
        downsample_type="resnet",
        **tower(["AttnDownBlock2D"] * 2, ["AttnUpBlock2D"] * 2, [8, 16]),
    ),
    plain(
        "upsample_type resnet",
        upsample_type="resnet",
        **tower(["AttnDownBlock2D"] * 2, ["AttnUpBlock2D"] * 2, [8, 16]),
    ),
    plain(
        "downsample_type and upsample_type resnet",
        downsample_type="resnet",
        upsample_type="resnet",
        **tower(["AttnDownBlock2D"] * 3, ["AttnUpBlock2D"] * 3, [8, 16, 16]),
    ),
    plain(
        "resampling types are read by attention blocks only",
        "plain",
        downsample_type="resnet",
        upsample_type="resnet",
        **tower(["DownBlock2D"] * 2, ["UpBlock2D"] * 2, [8, 16]),
    ),
]

# Misspelt values that Diffusers takes without a word, and what it makes of them.
LENIENT = [
    plain("any mid_block_type is UNetMidBlock2D", None, mid_block_type="NoSuchBlock2D"),
    plain("any other class_embed_type is none", None, class_embed_type="projection", num_class_embeds=5),
    plain(
        "any resampling type without attention blocks that resample",
        None,
        downsample_type="pool",
        upsample_type="pool",
        **tower(["DownBlock2D", "AttnDownBlock2D"], ["UpBlock2D", "AttnUpBlock2D"], [8, 16]),
    ),
]

# What Diffusers refuses: the exception's type and where it is raised are recorded.
REFUSED = [
    plain("unknown down block", down_block_types=["DownBlock2D", "NoSuchBlock2D"]),
    plain("unknown up block", up_block_types=["NoSuchBlock2D", "UpBlock2D"]),
    plain("down and up lists of different length", up_block_types=["UpBlock2D"]),
    plain("block_out_channels of different length", block_out_channels=[8, 16, 16]),
    *[
        plain(f"{down}, {up}", norm_num_groups=8, **tower([down] * 2, [up] * 2, [32, 64]))
        for down, up in (
            ("DownEncoderBlock2D", "UpBlock2D"),
            ("AttnDownEncoderBlock2D", "UpBlock2D"),
            ("CrossAttnDownBlock2D", "UpBlock2D"),
            ("SimpleCrossAttnDownBlock2D", "UpBlock2D"),
            ("KCrossAttnDownBlock2D", "UpBlock2D"),
            ("DownBlock2D", "UpDecoderBlock2D"),
            ("DownBlock2D", "AttnUpDecoderBlock2D"),
            ("DownBlock2D", "CrossAttnUpBlock2D"),
            ("DownBlock2D", "SimpleCrossAttnUpBlock2D"),
            ("DownBlock2D", "KCrossAttnUpBlock2D"),
            ("KDownBlock2D", "UpBlock2D"),
            ("DownBlock2D", "KUpBlock2D"),
        )
    ],
    plain("k blocks, 16 channels", **tower(["KDownBlock2D"], ["KUpBlock2D"], [16])),
    plain("norm_num_groups null with plain blocks", norm_num_groups=None),
    plain("norm_num_groups that doesn't divide", norm_num_groups=3),
    skip("attention Skip block with 16 channels", block_out_channels=[16, 16]),
    skip("AttnSkipUpBlock2D with 32 + 16 channels", block_out_channels=[16, 32]),
    skip("Skip blocks with 1 channel", in_channels=1, out_channels=1),
    skip("Skip blocks with 4 channels", in_channels=4, out_channels=4),
    skip("Skip blocks with 3 channels in, 6 out", out_channels=6),
    skip("Skip blocks with 3 channels in, 1 out", out_channels=1),
    skip("Skip blocks with fewer than 4 channels", **tower(["SkipDownBlock2D"], ["SkipUpBlock2D"], [3])),
    skip(
        "plain block above a Skip block, down",
        norm_num_groups=8,
        **tower(["DownBlock2D", "SkipDownBlock2D", "SkipDownBlock2D"], ["SkipUpBlock2D"] * 3, [16, 16, 16]),
    ),
    skip(
        "plain block above a Skip block, up",
        norm_num_groups=8,
        **tower(["SkipDownBlock2D"] * 3, ["SkipUpBlock2D", "SkipUpBlock2D", "UpBlock2D"], [16, 16, 16]),
    ),
    skip(
        "plain block between Skip blocks, up",
        norm_num_groups=8,
        **tower(["SkipDownBlock2D"] * 3, ["SkipUpBlock2D", "UpBlock2D", "SkipUpBlock2D"], [16, 16, 16]),
    ),
    plain(
        "plain blocks around k blocks",
        norm_num_groups=8,
        **tower(["DownBlock2D", "KDownBlock2D"], ["KUpBlock2D", "UpBlock2D"], [32, 64]),
    ),
    plain("size that the levels don't divide", size=[9, 8]),
    skip("Skip blocks, size that the levels don't divide", size=[9, 8]),
    plain("unknown act_fn", act_fn="tanh"),
    plain("unknown time_embedding_type", time_embedding_type="sinusoidal"),
    plain("learned time without num_train_timesteps", time_embedding_type="learned"),
    plain(
        "learned time beyond the table", time_embedding_type="learned", num_train_timesteps=20, timestep=[20]
    ),
    plain(
        "learned time, float timestep", time_embedding_type="learned", num_train_timesteps=20, timestep=[13.0]
    ),
    plain("labels without an embedding", labels=[1]),
    plain("embedding without labels", num_class_embeds=5),
    plain("label beyond the table", num_class_embeds=5, labels=[5]),
    plain("unknown class_embed_type", class_embed_type="projection", num_class_embeds=5, labels=[1]),
    plain("resnet_time_scale_shift spatial", resnet_time_scale_shift="spatial"),
    plain("resnet_time_scale_shift ada_group", resnet_time_scale_shift="ada_group"),
    plain(
        "k blocks, resnet_time_scale_shift spatial",
        norm_num_groups=8,
        resnet_time_scale_shift="spatial",
        **tower(["KDownBlock2D"] * 2, ["KUpBlock2D"] * 2, [32, 64]),
    ),
    plain("unknown resnet_time_scale_shift", resnet_time_scale_shift="shift"),
    plain("attention_head_dim above the channels", attention_head_dim=32),
    plain("attention_head_dim 0", attention_head_dim=0),
    plain("attn_norm_num_groups that doesn't divide", attn_norm_num_groups=3),
    plain(
        "unknown downsample_type",
        downsample_type="pool",
        **tower(["AttnDownBlock2D"] * 2, ["UpBlock2D"] * 2, [8, 16]),
    ),
    plain(
        "unknown upsample_type",
        upsample_type="pool",
        **tower(["DownBlock2D"] * 2, ["AttnUpBlock2D"] * 2, [8, 16]),
    ),
    plain(
        "unknown resampling types",
        downsample_type="pool",
        upsample_type="pool",
        **tower(["AttnDownBlock2D"] * 2, ["AttnUpBlock2D"] * 2, [8, 16]),
    ),
    plain("downsample_padding 2", downsample_padding=2),
    plain("layers_per_block 0", layers_per_block=0),
    plain("layers_per_block per level", layers_per_block=[1, 2]),
    plain("dropout above 1", dropout=1.5),
    plain("no levels", **tower([], [], [])),
]
