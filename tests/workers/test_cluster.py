"""Connecting to Ray: what is refused, what is imported, what stays quiet."""

import subprocess
import sys

import pytest
import ray
from pydantic import ValidationError

from workers import cluster
from workers.settings import ClusterSettings, LatencySettings


def test_settings_and_protocol_import_neither_torch_nor_ray() -> None:
    script = (
        "import sys, workers.settings, workers.protocol; "
        "print([name for name in ('torch', 'ray', 'onnxruntime') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_local_resources_beside_an_address_are_refused() -> None:
    with pytest.raises(ValidationError, match="got them beside address 'head:6379'"):
        ClusterSettings(address="head:6379", num_cpus=2)


def test_nan_is_no_duration() -> None:
    with pytest.raises(ValidationError, match="min_sample_ms"):
        LatencySettings(min_sample_ms=float("nan"))


def test_an_unreachable_cluster_is_named_soon() -> None:
    script = (
        "from workers import cluster; from workers.settings import ClusterSettings\n"
        "try: cluster.connect(ClusterSettings(address='127.0.0.1:1'))\n"
        "except cluster.ClusterError as error: print('refused:', error)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30
    )
    assert "refused: no Ray cluster can be used at 127.0.0.1:1" in result.stdout


@pytest.mark.ray
def test_connecting_twice_is_one_connection(ray_cluster: cluster.ClusterResources) -> None:
    assert ray_cluster == cluster.ClusterResources(num_cpus=4, num_gpus=0)
    assert cluster.connect(ClusterSettings(num_cpus=1)) == ray_cluster
    assert cluster.is_alive()


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_ray_asks_for_a_token() -> None:
    # Ray turns it on for local clusters; that nothing here turns it off is what is tested.

    @ray.remote
    def asks_for_token() -> bool:
        from ray._raylet import AuthenticationMode, get_authentication_mode

        return bool(get_authentication_mode() == AuthenticationMode.TOKEN)

    assert ray.get(asks_for_token.remote())


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_a_local_cluster_has_no_dashboard() -> None:
    assert not cluster.has_dashboard()
