"""The manifests of each overlay, for every test that asks for them."""
import pytest
import support


@pytest.fixture(scope="module", params=support.OVERLAYS)
def overlay(request):
    return request.param


@pytest.fixture(scope="module")
def rendered(overlay):
    return support.manifests(overlay)


@pytest.fixture(scope="module")
def objects(rendered):
    return rendered[0]
