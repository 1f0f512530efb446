"""How often published runs have a setting: owners count alike, the locked ones not at all, the table is what is run."""

from collections import Counter

from fit.usual import TARGET, counted_settings, shares_of_owners
from hypothesis import given
from hypothesis import strategies as st

from steelyard.catalog.read import parsed_rows
from steelyard.catalog.usual.rows import usual_setting_of_row


def test_the_table_is_what_the_runs_say() -> None:
    kept = list(parsed_rows(TARGET.parent, "usual_settings", usual_setting_of_row))
    made = list(counted_settings())
    assert [(one.setting, one.stack, one.trained, one.value, one.owners) for one in kept] == [
        (one.setting, one.stack, one.trained, one.value, one.owners) for one in made
    ]
    assert all(abs(one.share - other.share) < 0.005 for one, other in zip(kept, made, strict=True))


@given(
    st.dictionaries(
        st.text(max_size=3),
        st.dictionaries(st.sampled_from([0.0, 1.0, 2.0]), st.integers(1, 99), min_size=1),
        min_size=1,
        max_size=5,
    )
)
def test_shares_add_up_and_rows_of_one_owner_count_once(counts: dict[str, dict[float, int]]) -> None:
    found = shares_of_owners({name: Counter(each) for name, each in counts.items()})
    assert abs(sum(found.values()) - 1) < 1e-9
    many = {name: Counter({value: 10 * n for value, n in each.items()}) for name, each in counts.items()}
    assert all(abs(found[value] - share) < 1e-9 for value, share in shares_of_owners(many).items())
