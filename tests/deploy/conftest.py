"""The manifests of each overlay, alone and with all components, for every test that asks for them."""
import pytest
import support

CASES = [(overlay, chosen) for overlay in support.OVERLAYS for chosen in ((), support.components_for(overlay))]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case[0] + ("+all" if case[1] else ""))
def case(request):
    return request.param


@pytest.fixture(scope="module")
def overlay(case):
    return case[0]


@pytest.fixture(scope="module")
def objects(case):
    return support.manifests(*case)
