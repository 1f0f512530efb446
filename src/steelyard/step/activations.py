"""Bytes that the blocks of a stage leave behind for the backward pass, and that it needs for a moment."""

from dataclasses import dataclass

import numpy as np

from steelyard.step.divisors import Divisors, divided
from steelyard.step.recompute import Recomputed, recomputed
from steelyard.step.stages import Blocks
from steelyard.tables import Block, Job, Layout, Stack
from steelyard.units import Bytes, Share

PLAIN_BYTES = 2
"""Bytes of a frozen parameter below which it is quantised, so that products need a 16-bit copy (arXiv 2305.14314)."""


@dataclass(frozen=True, slots=True)
class Activations:
    """One micro-batch of one block or one stage on one rank."""

    stored_bytes: Bytes  # from the forward to the backward pass
    working_bytes: Bytes  # while the backward pass of one block runs


def block_bytes(block: Block, by: Divisors) -> Bytes:
    r"""Bytes that one sample leaves in a block on one rank, scores apart.

    .. math:: \frac{W}{t^{sp}} + \frac{A + M}{t}

    W: the residual stream and its masks; A, M: attention and MLP, or shared and routed experts; t: tensor parallel.

    Args:
        block: what its rows keep, by kind and divisor
        by: the number of each divisor [-]

    Source: Korthikanti et al. 2022, arXiv 2205.05198, equations 2 and 4.
    Limits: static shapes, balanced experts.
    """
    return divided([part for part in block.kept_bytes if part.kind != "scores"], by)


def block_score_bytes(block: Block, by: Divisors, flash: Share) -> Bytes:
    r"""Bytes of one sample's materialised scores in a block on one rank; none with fused attention.

    .. math:: (1 - F)\,\frac{S}{t}

    Args:
        block: what its rows keep, by kind and divisor
        by: the number of each divisor, t for scores [-]
        flash: fused attention F [-]

    Source: Korthikanti et al. 2022, arXiv 2205.05198, equation 2.
    """
    if np.all(flash == 1):
        return 0.0
    return divided([part for part in block.kept_bytes if part.kind == "scores"], by) * (1 - flash)


def gathered_input_bytes(block: Block, job: Job, layout: Layout, by: Divisors) -> Bytes:
    r"""Bytes that one sample's gathered inputs of column-parallel products add to their shards in a block.

    .. math:: e\,G\,\Big(1 - \frac{1}{t^{sp}}\Big) \quad [p = 1]

    Sequence parallelism gathers them for the product; a stack that does not gather them again for the gradients of
    the weights keeps them whole.

    Args:
        block: elements of those inputs (G); blocks with routed experts dispatch tokens instead of one of the two
        job: the bytes of an element (e)
        layout: pipeline parallel degree (p)
        by: the number of each divisor (t, sp) [-]

    Source: Korthikanti et al. 2022, arXiv 2205.05198, section 4.2.2: kept whole they would not be divided by t.
    Limits: none in a pipeline: the one sweep with such runs (nanotron, 1,018 rows) shows 3.7 h bytes without stages,
        0.0 with stages; why is not documented.
    """
    kept = np.where(np.asarray(layout.pp) > 1, 0.0, 1 - 1 / by.sequence)
    return block.gathered * job.element_bytes * kept


def transient_bytes(block: Block, job: Job, layout: Layout, by: Divisors) -> Bytes:
    r"""Bytes of one sample's gradients alive at once while one block's backward pass runs.

    .. math:: e\,\Big(2h + \frac{W + S\,(1 - F)}{t}\Big)

    The gradient that arrives, the one that leaves, and those of the widest operator's inputs (W); gradients of
    materialised scores (S).

    Args:
        block: its hidden state (h), its widest operator and its scores
        job: the bytes of an element (e)
        layout: fused attention (F)
        by: the number of each divisor (t) [-]

    Source: derived from the tensors of `block_bytes`.
    Limits: of the order of the truth; the stack's `working_scale` carries what its kernels allocate.
    """
    inside = (block.widest + block.scores * (1 - layout.flash)) / by.tensor
    return job.element_bytes * (2 * block.hidden + inside)


def block_kept_bytes(job: Job, layout: Layout, stack: Stack, by: Divisors) -> tuple[Activations, ...]:
    r"""Bytes that one block of each kind keeps of a micro-batch, and that its backward pass needs for a moment.

    .. math:: \frac{b}{c} \{\sigma_a (B + S) + G,\; \sigma_s (\sigma_a B + G),\; e\,h\}, \quad
        \frac{b}{c}\, \sigma_w (T + \{0, S, B + S + G\})

    for no, selective (only scores are recomputed) and full recompute (only a block's input is kept); a policy that
    drops other kinds of tensors keeps B less these and needs them again.

    Args:
        job: what rows of its blocks keep, the bytes of an element (e).
        layout: micro-batch (b), context parallel degree (c), recompute.
        stack: its scales of activations (σ_a, and σ_s of them under selective recompute) and of the working set (σ_w);
            gathered inputs and inputs of adapters that it keeps (G); quantised weights multiply what is kept.
        by: the number of each divisor [-]

    Source: Korthikanti et al. 2022, arXiv 2205.05198, table 2; B, S, G, T are `block_bytes`, `block_score_bytes`,
        `gathered_input_bytes` and `transient_bytes`.
    Limits: full recompute of one block at a time, its input divided only by sequence parallelism.
    """
    adapters = stack.adapter_bytes * job.adapted_inputs * job.workload.tokens / by.tensor
    quantised = (job.frozen_bytes < PLAIN_BYTES) & (np.asarray(job.trainable_share) < 1)
    copies = np.where(quantised, stack.quantised_scale, 1.0)
    policies, samples = recomputed(layout), layout.micro_batch / layout.cp
    working = samples * stack.working_scale
    found = []
    for block in job.workload.blocks:
        apart = stack.gathered_inputs * gathered_input_bytes(block, job, layout, by) + adapters
        stored, again = _kept(block, job, layout, stack, by, policies, apart, copies)
        transient = transient_bytes(block, job, layout, by)
        found.append(Activations(samples * stored, working * (again + transient)))
    return tuple(found)


def _kept(
    block: Block,
    job: Job,
    layout: Layout,
    stack: Stack,
    by: Divisors,
    policies: Recomputed,
    apart: Bytes,
    copies: Share,
) -> tuple[Bytes, Bytes]:
    """Bytes that one block keeps of one sample, and of what it needs again of what it does not keep."""
    whole, scores = block_bytes(block, by), block_score_bytes(block, by, layout.flash)
    every = copies * (whole + scores)
    kept: Bytes = stack.activation_scale * every + apart
    stored: Bytes = kept
    again: Bytes = 0.0
    stays: Bytes
    needed: Bytes
    for policy, share in policies:
        if policy.input_alone:
            stays, needed = job.element_bytes * block.hidden / by.sequence, every + apart
        else:
            gone = divided([part for part in block.kept_bytes if part.kind in policy.dropped - {"scores"}], by)
            needed = gone + ("scores" in policy.dropped) * scores
            stays = stack.activation_scale * copies * (whole + scores - needed) + apart
            stays = stays * (getattr(stack, policy.kept_share) if policy.kept_share else 1.0)
        stored = stored + share * (stays - kept)
        again = np.where(share > 0, needed, again)
    return stored, again


def kept_bytes(each: tuple[Activations, ...], blocks: Blocks) -> Activations:
    """Return the bytes that all blocks of a stage keep, and that the largest of them needs for a moment.

    Args:
        each: of one block of each kind
        blocks: blocks of the stage by kind [-]
    """
    stored: Bytes = 0.0
    working: Bytes = 0.0
    for one, those in zip(each, blocks, strict=True):
        stored = stored + those.count * one.stored_bytes
        working = np.maximum(working, np.greater(those.count, 0) * one.working_bytes)
    return Activations(stored, working)
