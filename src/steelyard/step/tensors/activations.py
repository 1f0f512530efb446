"""Bytes that the blocks of a stage leave behind for the backward pass, and that it needs for a moment."""

from dataclasses import dataclass

import numpy as np

from steelyard.step.divisors import Divisors, divided
from steelyard.step.recompute import Recomputed, recomputed
from steelyard.step.stages import Blocks
from steelyard.step.sums import added
from steelyard.tables import Block, Job, Layout, Recipe, Stack
from steelyard.units import Bytes, Share

EAGER_COPIES = {
    "fp32 norm": "norm_copies",
    "activation input": "activation_inputs",
    "expanded heads": "expanded_heads",
    "rotated": "rotary_copies",
    "dispatched": "dispatch_bytes",
}
"""Kinds of tensors that only kernels without fusion keep, and the entry of a recipe that says whether they do."""

SHARDED_PARAMETERS = 3
"""ZeRO stage at which parameters are sharded as well (arXiv 1910.02054, section 5)."""

UNUSUAL = frozenset(EAGER_COPIES) | {"scores"}


@dataclass(frozen=True, slots=True)
class Activations:
    """One micro-batch of one block or one stage on one rank."""

    stored_bytes: Bytes  # from the forward to the backward pass
    working_bytes: Bytes  # while the backward pass of one block runs
    hosted_bytes: Bytes  # from the forward to the backward pass, on the host


def block_bytes(block: Block, by: Divisors) -> Bytes:
    r"""Bytes that one sample leaves in a block on one rank with fused kernels, scores apart.

    .. math:: \frac{W}{t^{sp}} + \frac{A + M}{t}

    W: the residual stream and its masks; A, M: attention and MLP, or shared and routed experts; t: tensor parallel.

    Args:
        block: what its rows keep, by kind and divisor
        by: the number of each divisor [-]

    Source: Korthikanti et al. 2022, arXiv 2205.05198, equations 2 and 4.
    Limits: static shapes, balanced experts.
    """
    return divided([part for part in block.kept_bytes if part.kind not in UNUSUAL], by)


def eager_bytes(block: Block, recipe: Recipe, by: Divisors) -> Bytes:
    r"""Bytes that one sample leaves in a block on one rank because kernels are not fused.

    .. math:: 8\,h\;[n] + \frac{e}{t}\,\big(f\;[a] + 2\,(q - k)\;[x] + (q + k)\;[r]\big) + \frac{d}{t}\,c\,h

    Args:
        block: what its rows keep, by kind and divisor: of a norm an fp32 copy of its input (h), of a gated MLP the
            input of its activation (f), keys and values for every head (q for k), what is rotated (q, k), copies of
            the hidden state that go to experts (c)
        recipe: which of them it keeps (n, a, x, r), bytes of an element that goes to an expert (d)
        by: the number of each divisor (t) [-]

    Source: github.com/huggingface/transformers models/llama/modeling_llama.py: LlamaRMSNorm computes in fp32, LlamaMLP
        multiplies `act_fn(gate)` by `up`, `repeat_kv` copies keys and values to all heads.
    """
    found: Bytes = 0.0
    for kind, entry in EAGER_COPIES.items():
        kept, parts = getattr(recipe, entry), [part for part in block.kept_bytes if part.kind == kind]
        if parts and np.any(kept):
            found = found + kept * divided(parts, by)
    return found


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


def narrow_input_bytes(block: Block, job: Job, recipe: Recipe, by: Divisors) -> Bytes:
    r"""Bytes that a sample's inputs of products of 8 or 4 bits add to a block's where they are kept as narrow as that.

    .. math:: i\,\big(g\,D - (e - g)\,N\big) \quad [g < e]

    Args:
        block: elements that are inputs of products alone (N: outputs of norms and of activations, dispatched tokens),
            and those kept for something else too, of which a product has a narrow copy of its own (D: attention's
            output)
        job: the bytes of an element (e), of one inside a product (g)
        recipe: whether a library keeps them so (i)
        by: the number of each divisor [-]

    Source: github.com/NVIDIA/TransformerEngine pytorch/module/linear.py, forward: saves the 8-bit input (or its
        transpose) in place of what it was made of, unless its recipe overrides the precision of weight gradients.
    Limits: scales of blocks are not counted; unfused attention keeps its output as if it were fused.
    """
    if not np.any(recipe.narrow_inputs) or not np.any(np.less(job.gemm_bytes, job.element_bytes)):
        return 0.0
    inside = np.minimum(job.gemm_bytes, job.element_bytes)
    more = inside * divided(block.doubled, by) * np.less(job.gemm_bytes, job.element_bytes)
    return recipe.narrow_inputs * (more - (job.element_bytes - inside) * divided(block.narrowed, by))


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


def transient_bytes(block: Block, job: Job, layout: Layout, recipe: Recipe, by: Divisors) -> Bytes:
    r"""Bytes of one sample's gradients alive at once while one block's backward pass runs.

    .. math:: e\,g\,\Big(2h + \frac{W + x\,S\,(1 - F)}{t}\Big)

    The gradient that arrives, the one that leaves, and those of the widest operator's inputs (W); gradients of
    materialised scores (S), as many as live at once (x).

    Args:
        block: its hidden state (h), its widest operator and its scores
        job: the bytes of an element (e)
        layout: fused attention (F)
        recipe: gradients of a score (x); how many are alive over this (g); whether experts run one after another, so
            that W is one's share
        by: the number of each divisor (t) [-]

    Source: derived from the tensors of `block_bytes`.
    Limits: of the order of the truth; a stack's `workspace_bytes` carries what its kernels allocate.
    """
    scores = 0.0 if np.all(layout.flash == 1) else recipe.score_gradients * block.scores * (1 - layout.flash)
    widest = block.widest
    if np.any(recipe.expert_loop) and np.any(block.experts):
        widest = widest / np.where(recipe.expert_loop * block.experts > 0, block.experts, 1.0)
    inside = (widest + scores) / by.tensor
    return job.element_bytes * recipe.transients * (2 * block.hidden + inside)


def block_kept_bytes(job: Job, layout: Layout, stack: Stack, recipe: Recipe, by: Divisors) -> tuple[Activations, ...]:
    r"""Bytes that one block of each kind keeps of a micro-batch, and that its backward pass needs for a moment.

    .. math:: \frac{b}{c} \{B + E + x\,S + G,\; \sigma_s (B + E) + G,\; w\,h\,(1 - o)\}, \quad
        \frac{b}{c}\, (T + \{0,\; x\,S,\; B + E + x\,S + G\})

    for no, selective (only scores are recomputed) and full recompute (only a block's input is kept); a policy that
    drops other kinds of tensors keeps less these and needs them again.

    Args:
        job: what rows of its blocks keep, the bytes of an element.
        layout: micro-batch (b), context parallel degree (c), recompute.
        stack: what selective recompute keeps beside scores (σ_s).
        recipe: what kernels without fusion keep (E), copies of scores (x), gathered inputs and inputs of adapters (G),
            bytes of an element between two blocks (w) and whether these wait on the host (o), or all that is kept.
        by: the number of each divisor [-]

    Source: Korthikanti et al. 2022, arXiv 2205.05198, table 2; B, E, S, G, T are `block_bytes` (with
        `narrow_input_bytes`), `eager_bytes`, `block_score_bytes`, `gathered_input_bytes` and `transient_bytes`.
    Limits: full recompute of one block at a time, its input divided only by sequence parallelism.
    """
    adapters = recipe.adapter_bytes * job.adapted_inputs * job.workload.tokens / by.tensor
    policies, samples = recomputed(layout), layout.micro_batch / layout.cp
    found = []
    for block in job.workload.blocks:
        apart = recipe.gathered_inputs * gathered_input_bytes(block, job, layout, by) + adapters
        stored, again, hosted = _kept(block, job, layout, stack, recipe, by, policies, apart)
        transient = transient_bytes(block, job, layout, recipe, by)
        found.append(Activations(samples * stored, samples * (again + transient), samples * hosted))
    return tuple(found)


def _kept(
    block: Block,
    job: Job,
    layout: Layout,
    stack: Stack,
    recipe: Recipe,
    by: Divisors,
    policies: Recomputed,
    apart: Bytes,
) -> tuple[Bytes, Bytes, Bytes]:
    """Bytes that one block keeps of one sample, needs again of what it does not keep there, and keeps on the host."""
    whole = block_bytes(block, by) + eager_bytes(block, recipe, by) + narrow_input_bytes(block, job, recipe, by)
    scores = recipe.score_copies * block_score_bytes(block, by, layout.flash)
    kept: Bytes = whole + scores + apart
    away = recipe.kept_on_host if np.any(recipe.kept_on_host) else 0.0
    stored: Bytes = kept
    again = hosted = away * kept
    stays: Bytes
    needed: Bytes
    for policy, share in policies:
        if policy.input_alone:
            stays, needed = input_bytes(block, job, recipe, by), kept
            moved = stays * recipe.saved_on_host
        else:
            gone = divided([part for part in block.kept_bytes if part.kind in policy.dropped - {"scores"}], by)
            needed = gone + ("scores" in policy.dropped) * scores
            stays = kept - needed
            stays = stays * (getattr(stack, policy.kept_share) if policy.kept_share else 1.0)
            moved = stays * away
            needed = needed + moved
        stored, hosted = stored + share * (stays - kept), hosted + share * (moved - away * kept)
        again = np.where(share > 0, needed, again)
    return stored - hosted, again, hosted


def stream_width(job: Job, recipe: Recipe) -> Bytes:
    """Return the bytes of one element between two blocks.

    Args:
        job: the bytes of an element
        recipe: those between two blocks; 0: of any element

    Source: `tables.Recipe`.
    """
    return np.where(np.greater(recipe.stream_bytes, 0), recipe.stream_bytes, job.element_bytes)


def input_bytes(block: Block, job: Job, recipe: Recipe, by: Divisors) -> Bytes:
    r"""Bytes of one sample's input of a block, which is all that full recomputation keeps.

    .. math:: w\,\frac{h}{t^{sp}}

    Args:
        block: its hidden state (h)
        job: the bytes of an element
        recipe: bytes of an element between blocks (w; 0: those of any element)
        by: the number of each divisor [-]

    Source: Chen et al. 2016, arXiv 1604.06174, section 4.
    """
    return stream_width(job, recipe) * block.hidden / by.sequence


def kept_bytes(each: tuple[Activations, ...], blocks: Blocks) -> Activations:
    """Return the bytes that all blocks of a stage keep, and that the largest of them needs for a moment.

    Args:
        each: of one block of each kind
        blocks: blocks of the stage by kind [-]
    """
    stored: Bytes = 0.0
    working = hosted = stored
    for one, those in zip(each, blocks, strict=True):
        stored, hosted = stored + those.count * one.stored_bytes, hosted + those.count * one.hosted_bytes
        working = np.maximum(working, np.greater(those.count, 0) * one.working_bytes)
    return Activations(stored, working, hosted)


def unit_inputs_bytes(job: Job, layout: Layout, recipe: Recipe, by: Divisors, blocks: Blocks) -> Bytes:
    r"""Return the bytes of the inputs of a stage's blocks and of their gradients, which the backward pass keeps.

    .. math:: 2\,i\,(1 - o)\,\frac{b}{c} \sum_k L_k\,w\,\frac{h_k}{t^{sp}} \quad [z = 3,\ n > 1,\ \tau < 1]

    They are the same tensors whether a block runs again or not: what else it keeps is gone by then.

    Args:
        job: trainable share (τ), elements between blocks (h)
        layout: micro-batch (b), context parallel degree (c), ZeRO stage (z), ranks that shards lie on (n)
        recipe: whether a stack holds them (i), whether on the host (o), bytes of an element between two blocks (w)
        by: the number of each divisor (t, sp) [-]
        blocks: of the stage, by kind (L) [-]

    Source: Zhao et al. 2023, arXiv 2304.11277, section 3.2.1: a flat parameter mixes adapters and frozen base, whose
        inputs wait for its gradient.
    Limits: one unit a block; none on one rank, which shards nothing.
    """
    shards = np.greater_equal(layout.zero, SHARDED_PARAMETERS) & np.greater(layout.shard_devices, 1)
    flat = recipe.input_gradients * (1 - recipe.saved_on_host) * (shards & np.less(job.trainable_share, 1))
    pairs = zip(job.workload.blocks, blocks, strict=True)
    inputs = added(held.count * input_bytes(block, job, recipe, by) for block, held in pairs)
    return np.asarray(2 * flat * layout.micro_batch / layout.cp * inputs, dtype=float)
