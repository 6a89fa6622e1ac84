"""Documents of unknown origin are read, or refused with an error of YAML."""

import pytest
import yaml

from wegent_sdk.plain import documents


@pytest.mark.parametrize("value", ["!!timestamp x", "!!int ''", "!!bool x", "!!float x", "!!set x"])
def test_a_value_that_its_tag_does_not_fit_is_no_yaml(value: str) -> None:
    with pytest.raises(yaml.YAMLError):
        documents(f"a: {value}")
