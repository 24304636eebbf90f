"""The losses in words: names, formulas, and what one sees."""

from __future__ import annotations

from collections.abc import Sequence

from app.state.losses import LossView
from app.text import escape
from pca_core.analysis.loss_ledger import ASSOCIATIONS, TERMS
from pca_core.analysis.loss_readings import PICKS, PixelEntry, measure_concentration
from pca_core.losses.names import TERM_NAMES, within_sentence
from pca_core.types import LabelSpace

NAMES = {name: TERM_NAMES[name] for name in TERMS}
PICK_NAMES = {"all": "Whole objective", "associations": "Both associations", **NAMES}
FORMULAS = {
    "cross_entropy": "Mean of −log P_i,y over labelled source pixels: how improbable the net finds the right class. Here on the "
    "grid of features; training compares at the full resolution of the labels.",
    "lovasz": "Mean over the classes k of Σ_i g_i |[y_i = k] − P_ik|: errors from large to small, times the step g that each "
    "adds to the Jaccard loss. A stand-in for 1 − mIoU; a pixel pays its errors times their steps.",
    "feature_association": "−1/|Î| Σ_i log[ p(j\\*|i) p(i\\*|j\\*) ] by cosine of features: each cycle-consistent source pixel "
    "pays for how unsure its way there and back is.",
    "prediction_association": "The same by −KL of the predictions.",
    "source_smoothing": "Mean of (ℓ/τ − 1) ℓ with ℓ = −mean_k log P_k and τ = 10: while ℓ < τ it is negative and sharpens "
    "predictions, less the nearer ℓ is to τ; beyond, where they have all but collapsed on one class, it flattens them.",
    "target_smoothing": "The same on the target: the only term that target pixels pay.",
}
BOTH_SIDES = "  \n".join(f"**{NAMES[name]}**: {text}" for name, text in FORMULAS.items())
NEGATIVE = (
    "Negative: it lowers the objective. Only smoothing does, whose (ℓ/τ − 1) ℓ is below zero while ℓ < τ = 10; of the other "
    "terms a pixel pays zero or more."
)
TIMES_MEAN = "what the mean pixel of this image pays"
ENOUGH = 0.005  # difference of shares that is worth telling


def find_silence(view: LossView) -> str | None:
    """Why what is looked at is zero, as one sentence; None where it is not."""
    names = PICKS[view.pick]
    if not any(getattr(view.weights, name) for name in names):
        return f"{PICK_NAMES[view.pick]} has weight 0 and takes no part. Raise its weight below the ledger."
    if any(view.ledger.terms[name].num_paying and getattr(view.weights, name) for name in names):
        return None
    if set(names) <= set(ASSOCIATIONS):
        return "No cycle closes under these switches: there is no pair to strengthen, and the loss is zero."
    return "No source pixel is labelled: there is nothing to learn from, and the loss is zero."


def name_reasons(view: LossView) -> dict[str, str]:
    """Why a layer is empty where it is: nobody of an image pays, or no gradient arrives there."""
    silence = find_silence(view)
    if silence:
        return {"paid": silence, "gradient": silence}
    return {"paid": f"Paid by {view.payer} pixels only", "gradient": f"Reaches features of the {view.payer} only"}


def explain_view(view: LossView) -> str:
    """What one sees, in one or two sentences."""
    silence = find_silence(view)
    if silence:
        return silence
    paid = f"A tenth of the {view.payer} pixels pays **{measure_concentration(view.now.paid[view.payer]):.0%}** of this loss."
    if view.reached == "source":
        return f"{paid} It reaches source features only; the target feels it through the weights that both share."
    with_it, without = (view.reach(reading).at_even for reading in view.readings)
    if view.payer == "target":
        return f"{paid} **{with_it:.1%}** of target pixels receive a mean gradient or more; aggregation plays no part in it."
    if abs(with_it - without) < ENOUGH:
        return f"{paid} With and without aggregation **{with_it:.1%}** of target pixels receive a mean gradient or more."
    return (
        f"{paid} With aggregation **{with_it:.1%}** of target pixels receive a mean gradient or more, without it {without:.1%}."
    )


def explain_pixel_entries(entries: Sequence[PixelEntry], label: int | None, space: LabelSpace) -> str:
    """What a pixel pays and what reaches it, in one line."""
    *terms, whole = entries
    own = escape(space.class_names[label]) if label is not None and label < space.num_classes else "no label"
    paid = [entry for entry in terms if entry.paid]
    pays = "pays nothing"
    if paid:
        verb, link = ("lowers the objective by", "by") if whole.paid < 0 else ("pays", "for")
        first = max(paid, key=lambda entry: entry.paid * (-1 if whole.paid < 0 else 1))  # of the sign of the whole
        which = "all" if len(paid) == 1 else "most" if abs(first.paid) > abs(whole.paid) / 2 else "the largest part"
        pays = f"{verb} {abs(whole.paid):.2g} × an even share, {which} of it {link} {within_sentence(first.name)}"
    return f"{own} · {pays} · gradient {whole.gradient:.3g} × the mean"
