"""Diagnostics of a reward model: arrays and texts in, numbers out."""

from trueward.diagnostics.best_of_n import best_of_n, best_of_n_kl, samples_for_kl
from trueward.diagnostics.calibration import Calibration, ReliabilityBin, calibration
from trueward.diagnostics.edit_profile import (
    Edited,
    EditEffect,
    EditProfile,
    edit_profile,
    scale_control,
)
from trueward.diagnostics.edits import EDITS, Edit
from trueward.diagnostics.effective_rank import RankShift, effective_rank, effective_rank_shift
from trueward.diagnostics.histogram import Histogram
from trueward.diagnostics.label_noise import (
    FlippedPairs,
    NoiseSensitivity,
    flipped_pair_agreement,
    noise_sensitivity,
)
from trueward.diagnostics.length import (
    LengthCorrelation,
    ShorterChosen,
    accuracy_when_shorter_chosen,
    length_correlation,
)
from trueward.diagnostics.norms import (
    Moments,
    NormShift,
    NormStatistics,
    difference_statistics,
    norm_shift,
    norm_statistics,
    split_norms,
)
from trueward.diagnostics.over_optimization import BestOfNFit, RLFit, fit_best_of_n, fit_rl
from trueward.diagnostics.probes import PROBES
from trueward.diagnostics.reward_hacking import ProbeResult, probe_results
from trueward.diagnostics.rewards import RewardDistribution, reward_distributions
from trueward.diagnostics.similar_pairs import SimilarityBin, SimilarPairs, similar_pair_accuracy
from trueward.diagnostics.temperature import calibration_after_temperature, fit_temperature

__all__ = [
    "EDITS",
    "PROBES",
    "BestOfNFit",
    "Calibration",
    "Edit",
    "EditEffect",
    "EditProfile",
    "Edited",
    "FlippedPairs",
    "Histogram",
    "LengthCorrelation",
    "Moments",
    "NoiseSensitivity",
    "NormShift",
    "NormStatistics",
    "ProbeResult",
    "RLFit",
    "RankShift",
    "ReliabilityBin",
    "RewardDistribution",
    "ShorterChosen",
    "SimilarPairs",
    "SimilarityBin",
    "accuracy_when_shorter_chosen",
    "best_of_n",
    "best_of_n_kl",
    "calibration",
    "calibration_after_temperature",
    "difference_statistics",
    "edit_profile",
    "effective_rank",
    "effective_rank_shift",
    "fit_best_of_n",
    "fit_rl",
    "fit_temperature",
    "flipped_pair_agreement",
    "length_correlation",
    "noise_sensitivity",
    "norm_shift",
    "norm_statistics",
    "probe_results",
    "reward_distributions",
    "samples_for_kl",
    "scale_control",
    "similar_pair_accuracy",
    "split_norms",
]
