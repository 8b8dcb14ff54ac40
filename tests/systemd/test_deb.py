"""The Debian package: what it holds, and what installing it, again and removing it does to a machine."""

import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.systemd

ROOT = Path(__file__).parents[2]
HOLDS = (
    "./usr/bin/wharfctl",
    "./usr/bin/wharfinger",
    "./usr/lib/systemd/system/wharfinger.service",
    "./usr/lib/systemd/system/wharfinger-audit.timer",
    "./usr/lib/sysusers.d/wharfinger.conf",
    "./usr/lib/wharfinger/paramiko/__init__.py",
    "./usr/share/man/man1/wharfctl.1",
    "./usr/share/doc/wharfinger/copyright",
    "./etc/wharfinger/wharfinger.toml",
)


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done


@pytest.fixture
def package(other_root: Path) -> Path:
    """The package, made as somebody would who has the checkout; it lies in the other root."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("there is no dpkg-deb")
    folder = other_root / "opt/package"
    run("make", "-C", str(ROOT), "deb", "PYTHON=/usr/bin/python3", f"PACKAGES={folder}", "EXTRA=sftp")
    (file,) = folder.glob("wharfinger_*.deb")
    return file


def test_the_package_installs_keeps_what_the_admin_wrote_and_leaves_with_all_it_brought(
    other_root: Path, package: Path
) -> None:
    listed = run("dpkg-deb", "--contents", str(package)).stdout.splitlines()
    owner_of = {line.split()[5]: line.split()[1] for line in listed}
    assert {owner_of[path] for path in HOLDS} == {"root/root"}

    def there(*command: str) -> str:
        return run("chroot", str(other_root), *command).stdout

    inside = f"/opt/package/{package.name}"
    settings = other_root / "etc/wharfinger/wharfinger.toml"
    there("dpkg", "--install", inside)
    assert "wharfctl, version" in there("wharfctl", "--version")
    assert "wharfinger-viewers" in there("getent", "group", "wharfinger-viewers")
    assert "ExecStart=/usr/bin/wharfinger run" in there("cat", "/usr/lib/systemd/system/wharfinger.service")
    assert "Usage: wharfinger run" in there("wharfinger", "run", "--help")

    written = settings.read_text() + "# mine\n"
    settings.write_text(written)
    there("dpkg", "--install", inside)
    assert settings.read_text() == written

    there("dpkg", "--remove", "wharfinger")
    assert not (other_root / "usr/lib/wharfinger").exists()
    assert not list((other_root / "usr/lib/systemd/system").glob("wharfinger*"))
    assert settings.read_text() == written
    there("dpkg", "--purge", "wharfinger")
    assert not settings.exists()
