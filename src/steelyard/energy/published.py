"""Equations that published footprints were made with, kept as they were printed so that a claim can be redone."""

from steelyard.units import Count, Flop, FlopPerSecond, Joules, Seconds, Share, Watts


def busy_device_s(flop: Flop, achieved_flop_per_s: FlopPerSecond) -> Seconds:
    r"""Device-seconds that a number of FLOPs takes at an achieved speed.

    .. math:: t = F / f

    Args:
        flop: operations of the whole training, :math:`F` [flop]
        achieved_flop_per_s: measured speed of one device, :math:`f` [flop/s]

    Source: Patterson et al. 2021, arXiv 2104.10350, Table 4: GPT-3's 3.14e23 FLOPs at 24.6 TFLOP/s.
    Limits: the speed must be achieved, in the same FLOP convention, not a peak.

    >>> round(busy_device_s(flop=3.14e23, achieved_flop_per_s=24.6e12) / 3600)
    3545619
    """
    return flop / achieved_flop_per_s


def strubell_j(
    cpu_w: Watts, dram_w: Watts, accelerators: Count, accelerator_w: Watts, training_s: Seconds, pue: Share
) -> Joules:
    r"""Energy of a training by Strubell et al., whose power usage effectiveness of 1.58 was the US mean of 2018.

    .. math:: E = \mathrm{PUE}\,t\,(p_c + p_r + g\,p_g)

    Args:
        cpu_w: mean draw of all processors, :math:`p_c` [W]
        dram_w: mean draw of all memory, :math:`p_r` [W]
        accelerators: number of GPUs, :math:`g` [-]
        accelerator_w: mean draw of one GPU, :math:`p_g` [W]
        training_s: duration, :math:`t` [s]
        pue: power usage effectiveness [-]

    Source: Strubell et al. 2019, arXiv 1906.02243, equation 1; the example is Transformer big of its Table 3:
        1,515.43 W in all for 84 h are 201 kWh.
    Limits: no network, no storage.

    >>> round(strubell_j(0.0, 0.0, 1.0, 1515.43, 84 * 3600.0, 1.58) / 3.6e6)
    201
    """
    return pue * training_s * (cpu_w + dram_w + accelerators * accelerator_w)


def inference_j(queries: Count, query_j: Joules) -> Joules:
    r"""Energy of serving, which a footprint adds to that of training.

    .. math:: E = E_{train} + q\,E_{query}; \text{ this is the second term}

    Args:
        queries: queries served, :math:`q` [-]
        query_j: energy of one query, :math:`E_{query}` [J]

    Source: Patterson et al. 2021, arXiv 2104.10350, section 2: footprint = (energy of training + queries x energy of
        inference) x intensity.
    Limits: the same boundary as the training energy that it joins.

    >>> inference_j(queries=1e6, query_j=3600.0) / 3.6e6
    1000.0
    """
    return queries * query_j
