"""How many steps, how long they train, what a checkpoint holds and how long writing one takes."""

from steelyard.units import Bytes, BytesPerSecond, Count, Seconds, Share


def step_count(samples: Count, batch_samples: Count) -> Count:
    r"""Count the optimizer steps that a budget of samples pays for.

    .. math:: n = \frac{D}{B}

    Args:
        samples: sequences, images or events to be trained on in all, :math:`D` [-]
        batch_samples: of one optimizer step over all devices, :math:`B` [-]

    Source: definition; the example is GPT-3 175B, 300B tokens in batches of 3.2M tokens, sequences of 2,048
        (arXiv 2005.14165, Table 2.1).
    Limits: continuous: a last, partial step counts as a part. Constant batch: no batch-size ramp.

    >>> step_count(samples=300e9 / 2048, batch_samples=3.2e6 / 2048)
    93750.0
    """
    return samples / batch_samples


def training_s(steps: Count, step_s: Seconds) -> Seconds:
    r"""Time the optimizer steps take when nothing interrupts them.

    .. math:: t = n\,t_{step}

    Args:
        steps: optimizer steps, :math:`n` [-]
        step_s: seconds of one optimizer step, :math:`t_{step}` [s]

    Source: definition.
    Limits: steps of equal length.

    >>> training_s(steps=1000.0, step_s=2.5)
    2500.0
    """
    return steps * step_s


def evaluation_s(training_s: Seconds, evaluation_share: Share) -> Seconds:
    r"""Time the run spends evaluating between its steps.

    .. math:: t_e = \varepsilon\,t

    Args:
        training_s: seconds of uninterrupted training, :math:`t` [s]
        evaluation_share: seconds of evaluation for one second of training, :math:`\varepsilon` [-]

    Source: definition; 100 forward passes (a third of a step) every 1,000 steps are 0.0333 (Megatron-LM defaults).
    Limits: evaluation at the speed and power of training.

    >>> round(evaluation_s(training_s=3000.0, evaluation_share=100 / 1000 / 3), 6)
    100.0
    """
    return training_s * evaluation_share


def checkpoint_bytes(parameters: Count, weight_bytes: Bytes, master_bytes: Bytes, moment_bytes: Bytes) -> Bytes:
    r"""Size one full checkpoint: working weights, master weights and optimizer moments.

    .. math:: C = P\,(b_w + b_m + b_o)

    Args:
        parameters: trained parameters, :math:`P`; frozen ones are not written [-]
        weight_bytes: one working weight, :math:`b_w` (bf16: 2) [byte]
        master_bytes: master copy of one parameter, :math:`b_m` (fp32: 4) [byte]
        moment_bytes: optimizer moments of one parameter, :math:`b_o` (Adam fp32: 8) [byte]

    Source: definition; BLOOM (176.25e9 parameters) publishes 329 GiB for the bf16 weights and 2.3 TiB with the
        optimizer's states (bigscience/bloom model card).
    Limits: no data-loader state, no random-generator state (megabytes).

    >>> checkpoint_bytes(parameters=176.247e9, weight_bytes=2.0, master_bytes=4.0, moment_bytes=8.0) / 2**40
    2.244
    """
    return parameters * (weight_bytes + master_bytes + moment_bytes)


def save_s(checkpoint_bytes: Bytes, devices: Count, checkpoint_bytes_per_s: BytesPerSecond) -> Seconds:
    r"""Time one checkpoint takes to reach storage when every device writes its share once.

    .. math:: T_s = \frac{C}{N\,\beta}

    Args:
        checkpoint_bytes: the whole checkpoint, :math:`C` [byte]
        devices: devices that write, :math:`N` [-]
        checkpoint_bytes_per_s: what one device gets through to storage, :math:`\beta` [byte/s]

    Source: definition; the example is Llama 3 405B on 16,384 devices into storage that sustains 2 TB/s
        (arXiv 2407.21783, section 3.3.1: 1 MB to 4 GB a GPU).
    Limits: storage grows with the cluster; one file server that all share is slower on many devices.

    >>> round(save_s(checkpoint_bytes=405.85e9 * 14, devices=16384.0, checkpoint_bytes_per_s=2e12 / 16384), 2)
    2.84
    """
    return checkpoint_bytes / (devices * checkpoint_bytes_per_s)
