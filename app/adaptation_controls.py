"""Widgets that turn into the config of an adaptation run."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from app.state.address import MAX_TOP_K
from pca_core.adaptation import METHODS, PRESETS, AdaptationConfig

PRESET_NAMES = {"quick": "Quick", "plca-paper": "As in the paper"}
NORMS = {"shared": "Shared", "frozen": "Frozen", "per-domain": "One set a domain"}
PRECISIONS = {"auto": "Mixed where the device is fast at it", "float32": "float32", "bfloat16": "Mixed, bfloat16"}
LAYERS = {
    "method": "As the method has it",
    "all": "All",
    "batch-norm": "Batch norms",
    "classifier": "Classifier",
    "all-but-classifier": "All but the classifier",
}


def adaptation_controls() -> AdaptationConfig:
    """Method, preset, steps and seed in sight; every other knob folded away with a sentence each."""
    method = st.selectbox("Method", list(METHODS), format_func=lambda name: METHODS[name].title, key="adapt_method")
    st.caption(METHODS[method].explanation)
    left, steps, seed = st.columns([2, 1, 1])
    preset_name = left.selectbox(
        "Preset",
        list(PRESETS),
        format_func=PRESET_NAMES.get,
        key="adapt_preset",
        help="Quick takes minutes on a CPU; as in the paper, days on GPUs. Every knob can be changed afterwards.",
    )
    preset = PRESETS[preset_name]
    is_gradient_based = METHODS[method].is_gradient_based
    config = replace(
        preset,
        method=method,
        # The preset's name is in the keys: another preset brings its own values.
        steps=int(
            steps.number_input(
                "Steps", 0, 1_000_000, preset.steps, key=f"adapt_steps {preset_name}", disabled=not is_gradient_based
            )
        )
        if is_gradient_based
        else preset.steps,
        seed=int(seed.number_input("Seed", 0, 2**31 - 1, 0, key="adapt_seed", help="Of every random choice in the run.")),
    )
    with st.expander("Every other knob"):
        return _knobs(config, preset_name)


def _knobs(config: AdaptationConfig, name: str) -> AdaptationConfig:
    objective, views, nets = st.tabs(["Objective", "Views", "Net and optimiser"])
    with objective:
        config = _objective(config, name)
    with views:
        config = _views(config, name)
    with nets:
        return _net(config, name)


def _objective(config: AdaptationConfig, name: str) -> AdaptationConfig:
    weights, terms = config.weights, config.association
    one, two = st.columns(2)
    weights = replace(
        weights,
        feature_association=one.number_input(
            "Weight, features", 0.0, 10.0, weights.feature_association, 0.05, key=f"adapt_fass {name}",
            help="Of the association loss on features; 0 leaves it out.",
        ),
        prediction_association=two.number_input(
            "Weight, predictions", 0.0, 10.0, weights.prediction_association, 0.05, key=f"adapt_cass {name}",
            help="Of the association loss on predictions; 0 leaves it out.",
        ),
        lovasz=one.number_input(
            "Weight, Lovász", 0.0, 10.0, weights.lovasz, 0.05, key=f"adapt_lovasz {name}",
            help="Of the surrogate of mIoU on the labelled source.",
        ),
        target_smoothing=two.number_input(
            "Weight, smoothing", 0.0, 1.0, weights.target_smoothing, 0.01, key=f"adapt_smooth {name}",
            help="Of label smoothing on target predictions: sharpens them, flattens those near one class alone.",
        ),
    )  # fmt: skip
    terms = replace(
        terms,
        alpha=one.slider(
            "Aggregation α", 0.0, 1.0, terms.alpha, 0.05, key=f"adapt_alpha {name}",
            help="How much each target pixel borrows from its like; spreads the gradient. 0 is off.",
        ),
        stride=int(two.number_input(
            "Association stride", 1, 8, terms.stride, key=f"adapt_stride {name}",
            help="Features are averaged over squares of this side first; 2 costs a sixteenth of 1.",
        )),
        top_k=int(one.number_input(
            "Candidates k", 1, MAX_TOP_K, terms.top_k, key=f"adapt_top_k {name}",
            help="Forward candidates that may close a cycle.",
        )),
        mutual=two.toggle(
            "Mutual only", terms.mutual, key=f"adapt_mutual {name}", help="Only pixels that come back to themselves count.",
        ),
        contrast_normalisation=one.toggle(
            "Contrast normalisation", terms.contrast_normalisation, key=f"adapt_contrast {name}",
            help="Normalise each row of similarities before the softmax.",
        ),
    )  # fmt: skip
    balanced = two.number_input(
        "Pixels a class", 0, 10_000, terms.pixels_per_class or 0, key=f"adapt_balance {name}",
        help="Pull on at most so many pixels of a class in each image, so that road does not drown the rest; 0 is all.",
    )  # fmt: skip
    terms = replace(terms, pixels_per_class=int(balanced) or None)
    with_self_training = one.toggle(
        "Self-training", config.with_self_training, key=f"adapt_st {name}",
        help="PLCA also learns from the confident predictions of a running average of itself.",
    )  # fmt: skip
    confidence = two.slider(
        "Confidence", 0.0, 1.0, config.confidence, 0.05, key=f"adapt_conf {name}",
        help="Probability from which such a prediction is learnt from.",
    )  # fmt: skip
    with_mixing = one.toggle(
        "Mixed views", config.with_mixing, key=f"adapt_mixing {name}",
        help="Self-training sees target views with half of the classes of a source view pasted over them.",
    )  # fmt: skip
    return replace(
        config,
        weights=weights,
        association=terms,
        with_self_training=with_self_training,
        confidence=confidence,
        with_mixing=with_mixing,
    )


def _views(config: AdaptationConfig, name: str) -> AdaptationConfig:
    one, two = st.columns(2)
    transfer = one.slider(
        "Colour transfer", 0.0, 1.0, config.colour_transfer, 0.1, key=f"adapt_transfer {name}",
        help="Share of source views that are given the colours of a target image.",
    )  # fmt: skip
    rare = two.number_input(
        "Rare-class temperature", 0.0, 10.0, config.rare_class, 0.05, key=f"adapt_rare {name}",
        help="Draws source images with rare classes more often; smaller is bolder, 0 is off.",
    )  # fmt: skip
    balance = one.slider(
        "Class balance", 0.0, 1.0, config.class_balance, 0.1, key=f"adapt_class_balance {name}",
        help="Weight of rare classes in the source's cross-entropy: 0 counts pixels, 1 counts classes.",
    )  # fmt: skip
    batch = one.number_input(
        "Pairs a pass", 1, 64, config.batch_size, key=f"adapt_batch {name}",
        help="Source and target images in the net at a time.",
    )  # fmt: skip
    accumulation = two.number_input(
        "Passes a step", 1, 64, config.accumulation, key=f"adapt_accumulation {name}",
        help="Passes whose gradients make one step.",
    )  # fmt: skip
    zoom = one.slider(
        "Largest zoom", 1.0, 3.0, config.augmentation.max_scale, 0.1, key=f"adapt_zoom {name}",
        help="Of random crops, both domains.",
    )  # fmt: skip
    enlarge = two.slider(
        "Enlarge images", 1.0, 3.0, config.enlarge, 0.1, key=f"adapt_enlarge {name}",
        help="The adapted net sees images at most so many times as large as it was trained at, and no larger than the first "
        "target image is. Thin things need pixels; a step costs the square of it.",
    )  # fmt: skip
    flip = two.toggle("Mirror", config.augmentation.flip > 0, key=f"adapt_flip {name}", help="Half of the views, at random.")
    colour = one.slider(
        "Colour change", 0.0, 2.0, 1.0, 0.1, key=f"adapt_colour {name}",
        help="Of brightness, contrast and saturation, as a multiple of the preset's.",
    )  # fmt: skip
    every = two.number_input(
        "Evaluate every", 1, 100_000, config.evaluate_every, key=f"adapt_every {name}", help="Steps between looks at the net.",
    )  # fmt: skip
    views = [
        replace(
            view,
            max_scale=max(zoom, view.min_scale),
            flip=0.5 if flip else 0.0,
            brightness=view.brightness * colour,
            contrast=view.contrast * colour,
            saturation=view.saturation * colour,
        )
        for view in (config.augmentation, config.target_augmentation)
    ]
    return replace(
        config,
        enlarge=enlarge,
        colour_transfer=transfer,
        rare_class=rare,
        class_balance=balance,
        batch_size=int(batch),
        accumulation=int(accumulation),
        augmentation=views[0],
        target_augmentation=views[1],
        evaluate_every=int(every),
    )


def _net(config: AdaptationConfig, name: str) -> AdaptationConfig:
    one, two = st.columns(2)
    optimizer = config.optimizer
    optimizer = replace(
        optimizer,
        name=one.selectbox("Optimiser", ["adamw", "sgd"], ["adamw", "sgd"].index(optimizer.name), key=f"adapt_optimizer {name}"),
        learning_rate=two.number_input(
            "Learning rate", 0.0, 1.0, optimizer.learning_rate, 1e-4, format="%.5f", key=f"adapt_lr {name}", help="Its peak.",
        ),
        schedule=one.selectbox(
            "Schedule", ["poly", "cosine", "constant"], ["poly", "cosine", "constant"].index(optimizer.schedule),
            key=f"adapt_schedule {name}", help="How the learning rate falls over the run.",
        ),
        clip_norm=two.number_input(
            "Clip gradients at", 0.0, 1000.0, optimizer.clip_norm or 0.0, key=f"adapt_clip {name}",
            help="Their norm; 0 never clips.",
        ) or None,
    )  # fmt: skip
    norms = one.selectbox(
        "Batch norm", list(NORMS), list(NORMS).index(config.batch_norm), format_func=NORMS.get, key=f"adapt_norm {name}",
        help="Running statistics for both domains together, as they were, or one set for each.",
    )  # fmt: skip
    layers = two.selectbox(
        "Layers that train", list(LAYERS), list(LAYERS).index(config.trained_layers), format_func=LAYERS.get,
        key=f"adapt_layers {name}",
    )  # fmt: skip
    recalibrate = one.toggle(
        "Recalibrate at the end", config.recalibrate, key=f"adapt_recalibrate {name}",
        help="Re-estimate the batch-norm statistics of the adapted net on all target images.",
    )  # fmt: skip
    teacher = two.toggle(
        "Result is the average", config.with_teacher, key=f"adapt_teacher {name}",
        help="The adapted net is the running average of the trained one.",
    )  # fmt: skip
    decay = one.number_input(
        "Averaging per step", 0.0, 1.0, config.teacher_decay, 0.01, format="%.3f", key=f"adapt_decay {name}",
        help="Share of the running average that stays.",
    )  # fmt: skip
    precision = two.selectbox(
        "Precision of the net", list(PRECISIONS), list(PRECISIONS).index(config.precision), format_func=PRECISIONS.get,
        key=f"adapt_precision {name}",
        help="Mixed: products of the net in bfloat16, about half the time where the device has instructions for it. "
        "Losses and association stay exact.",
    )  # fmt: skip
    return replace(
        config,
        precision=precision,
        optimizer=optimizer,
        batch_norm=norms,
        trained_layers=layers,
        recalibrate=recalibrate,
        with_teacher=teacher,
        teacher_decay=decay,
    )
