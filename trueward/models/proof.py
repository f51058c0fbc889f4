"""Whether two ways of reading one batch give the same hidden states."""

from trueward.models.readout import ReadOut

TOLERANCE, HALF_TOLERANCE = 1e-3, 5e-2
"""Largest relative difference between hidden states of two layouts, in 32 and in 16 bits."""


def difference(plain: ReadOut, other: ReadOut, *, half: bool) -> str | None:
    """What is too different, or None. `half`: some of the computation is in 16 bits."""
    if plain.hidden.shape != other.hidden.shape:
        return "it reads the score elsewhere"
    before, after = plain.hidden.float(), other.hidden.float()
    error = float(((after - before).norm(dim=-1) / before.norm(dim=-1)).max())
    limit = HALF_TOLERANCE if half or plain.hidden.dtype.itemsize == 2 else TOLERANCE
    return None if error <= limit else f"hidden states differ by {error:.2g} (limit {limit:g})"
