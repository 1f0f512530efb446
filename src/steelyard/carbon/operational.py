"""Grid intensity turns the facility's energy into CO2e; making the hardware and its water are lines of their own.

Four intensities answer four questions and are never mixed. *Location gross*: what the grid there emitted on average.
*Location net*: the same, less carbon-free energy bought on that grid in the same hours. *Market*: what contracts and
certificates claim. *Marginal*: what one more joule made the grid emit. Unknown (NaN) stays unknown.
"""

from steelyard.tables import Carbon, Draw, Energy, Machine, Policy, Site
from steelyard.units import Count, CubicMetres, CubicMetresPerJoule, Joules, KgCo2e, KgCo2ePerJoule, Seconds


def operational_kgco2e(facility_j: Joules, intensity_kg_per_j: KgCo2ePerJoule) -> KgCo2e:
    r"""CO2e of electricity at one kind of grid intensity.

    .. math:: C = E_f\,I

    Args:
        facility_j: energy at the facility's meter, :math:`E_f` [J]
        intensity_kg_per_j: grid intensity of one kind, :math:`I` [kgco2e/J]

    Source: Patterson et al. 2021, arXiv 2104.10350, section 2 and Table 4: GPT-3, 1,287 MWh at 0.429 kg/kWh, 552.1 t.
    Limits: one mean intensity over the run.

    >>> round(operational_kgco2e(facility_j=1287e3 * 3.6e6, intensity_kg_per_j=0.429 / 3.6e6) / 1e3, 1)
    552.1
    """
    return facility_j * intensity_kg_per_j


def embodied_kgco2e(device_kgco2e: KgCo2e, devices: Count, wall_s: Seconds, lifetime_s: Seconds) -> KgCo2e:
    r"""Share of making the hardware that a run answers for: its seconds of the hardware's seconds in use.

    .. math:: M = m\,\frac{N\,t}{T}

    Args:
        device_kgco2e: making one device with its share of the server, :math:`m` [kgco2e]
        devices: devices of the job, :math:`N` [-]
        wall_s: seconds from start to finish, :math:`t` [s]
        lifetime_s: seconds in use over the hardware's life, :math:`T` [s]

    Source: Luccioni et al. 2022, arXiv 2211.02001, section 4.1: BLOOM's 1,082,990 GPU-hours of GPUs at 150 kg each, six
        years of service at 85% use, are 3.64 t.
    Limits: spread evenly over time in use; no recycling credit.

    >>> lifetime_s = 6 * 365 * 86400 * 0.85
    >>> round(embodied_kgco2e(150.0, 384.0, 1082990 / 384 * 3600, lifetime_s) / 1e3, 2)
    3.64
    """
    return device_kgco2e * (devices * wall_s / lifetime_s)


def water_m3(
    it_j: Joules, facility_j: Joules, onsite_m3_per_j: CubicMetresPerJoule, offsite_m3_per_j: CubicMetresPerJoule
) -> CubicMetres:
    r"""Water evaporated by the site's cooling and by the plants that make its electricity.

    .. math:: V = E_{IT}\,\mathrm{WUE}_{on} + E_f\,\mathrm{WUE}_{off} = E_{IT}\,(\mathrm{WUE}_{on} +
              \mathrm{PUE}\,\mathrm{WUE}_{off})

    Args:
        it_j: energy of the IT equipment, :math:`E_{IT}` [J]
        facility_j: energy at the facility's meter, :math:`E_f` [J]
        onsite_m3_per_j: water of the site over its IT energy, :math:`\mathrm{WUE}_{on}` [m**3/J]
        offsite_m3_per_j: water of the grid over electricity delivered, :math:`\mathrm{WUE}_{off}` [m**3/J]

    Source: The Green Grid, White Paper 35 (WUE is water over *IT* energy); Li et al. 2023, arXiv 2304.03271. The
        example is OLMo 2 7B: 131 MWh, PUE 1.2, 0 on site and 1.29 L/kWh off it, 202 kL (arXiv 2501.00656, Table 19).
    Limits: consumption, not withdrawal. OLMo prints PUE x (on + off), which multiplies on-site water by the PUE as
        well; the two agree where on-site water is 0, as in all of its H100 rows.

    >>> joules = 131e3 * 3.6e6
    >>> round(water_m3(joules, 1.2 * joules, 0.0, 1.29e-3 / 3.6e6))
    203
    """
    return it_j * onsite_m3_per_j + facility_j * offsite_m3_per_j


def sci_kgco2e(facility_j: Joules, marginal_kg_per_j: KgCo2ePerJoule, embodied_kgco2e: KgCo2e, units: Count) -> KgCo2e:
    r"""Software carbon intensity: CO2e for each functional unit (a run, a model, a thousand tokens).

    .. math:: \mathrm{SCI} = \frac{E\,I + M}{R}

    Args:
        facility_j: energy at the facility's meter, :math:`E` [J]
        marginal_kg_per_j: marginal grid intensity, :math:`I` [kgco2e/J]
        embodied_kgco2e: share of making the hardware, :math:`M` [kgco2e]
        units: functional units, :math:`R` [-]

    Source: Green Software Foundation, SCI specification (ISO/IEC 21031:2024).
    Limits: the specification leaves the choice of marginal or average to the reporter; here it is marginal.

    >>> sci_kgco2e(facility_j=3.6e6, marginal_kg_per_j=0.5 / 3.6e6, embodied_kgco2e=0.1, units=2.0)
    0.3
    """
    return (facility_j * marginal_kg_per_j + embodied_kgco2e) / units


def carbon(draw: Draw, energy: Energy, site: Site, machine: Machine, policy: Policy) -> Carbon:
    """State a run's CO2e by each kind of intensity known at the site, and embodied carbon and water beside it.

    Source: Patterson et al. 2021, arXiv 2104.10350 (gross, net); GHG Protocol Scope 2 Guidance (location, market).
    Limits: alternatives, never a sum; no avoided emissions are claimed from an average intensity.
    """
    return Carbon(
        location_gross_kgco2e=operational_kgco2e(energy.facility_j, site.location_gross_kg_per_j),
        location_net_kgco2e=operational_kgco2e(energy.facility_j, site.location_net_kg_per_j),
        market_kgco2e=operational_kgco2e(energy.facility_j, site.market_kg_per_j),
        marginal_kgco2e=operational_kgco2e(energy.facility_j, site.marginal_kg_per_j),
        embodied_kgco2e=embodied_kgco2e(machine.embodied_kgco2e, draw.devices, draw.wall_s, policy.lifetime_s),
        water_m3=water_m3(energy.it_j, energy.facility_j, site.water_onsite_m3_per_j, site.water_offsite_m3_per_j),
    )
