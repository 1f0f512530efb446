"""Moving a run in time: what an hour emits beside the year's mean, and what may be said to be avoided."""

from steelyard.units import KgCo2e, KgCo2ePerJoule, Share


def hour_kg_per_j(mean_kg_per_j: KgCo2ePerJoule, ratio: Share) -> KgCo2ePerJoule:
    r"""Grid intensity of one hour from the year's mean and the hour's ratio to it.

    .. math:: I_t = r_t\,\bar I

    Args:
        mean_kg_per_j: mean intensity of the year, :math:`\bar I` [kgco2e/J]
        ratio: intensity of the hour over that of the year, :math:`r_t` [-]

    Source: definition. The example is Brazil, midnight UTC in January 2023: 0.701 of a mean of 0.08305 kg/kWh
        (Electricity Maps, lifecycle, hourly 2023).
    Limits: the shape of one year's hours laid over another year's mean; both of one kind (average or marginal).

    >>> round(hour_kg_per_j(mean_kg_per_j=0.08305 / 3.6e6, ratio=0.701) * 3.6e6, 4)
    0.0582
    """
    return mean_kg_per_j * ratio


def avoided_kgco2e(now_kgco2e: KgCo2e, later_kgco2e: KgCo2e) -> KgCo2e:
    r"""CO2e that moving a run avoids: both figures at *marginal* intensity, hour by hour.

    .. math:: A = \sum_t E_t\,m_t - \sum_t E'_t\,m_t

    Args:
        now_kgco2e: of the run started now, at marginal intensity, :math:`\sum E\,m` [kgco2e]
        later_kgco2e: of the run as moved, its idling and restarts included, :math:`\sum E'\,m` [kgco2e]

    Source: Dodge et al. 2022, arXiv 2206.05229: flexible start and pause-and-resume are weighed by marginal emissions.
    Limits: an average intensity says who answers for the emissions, not what a change does: never pass one.

    >>> avoided_kgco2e(now_kgco2e=300.0, later_kgco2e=255.0)
    45.0
    """
    return now_kgco2e - later_kgco2e
