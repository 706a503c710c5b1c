"""A certificate of the endpoint's own, made once and kept beside its data, for HTTPS."""

import contextlib
import datetime as dt
import ipaddress
import os
import ssl
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from sensor_tui.emulator.settings import EmulatorSettings
from sensor_tui.errors import StorageError, UsageError

CERTIFICATE = "emulator-cert.pem"
KEY = "emulator-key.pem"
DAYS = 365


def server_context(settings: EmulatorSettings) -> tuple[ssl.SSLContext, str]:
    """A TLS context, and the certificate's path for clients to trust.

    Without a data folder the certificate goes to a new temporary folder.

    Raises:
        UsageError: the package that makes certificates is not installed.
        StorageError: the folder cannot be written.
    """
    folder = _folder(settings)
    certificate, key = folder / CERTIFICATE, folder / KEY
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        if not (key.is_file() and certificate.is_file() and _serves(certificate, settings.host)):
            _make(certificate, key, settings.host)
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise StorageError(
            f"The certificate {certificate} cannot be used: {error}",
            fix=f"Remove it and {key.name}, or give --data a folder that can be written",
        ) from None
    return context, str(certificate)


def _folder(settings: EmulatorSettings) -> Path:
    path = settings.database_path()
    if path == ":memory:":
        return Path(tempfile.mkdtemp(prefix="sensor-tui-emulator-"))
    folder = Path(path).parent
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def _names(host: str) -> list[str]:
    return list(dict.fromkeys(["localhost", "127.0.0.1", "::1", host]))


def _serves(path: Path, host: str) -> bool:
    """Whether a certificate is good for a day more, and for that host."""
    x509 = _x509()
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return False
    known = {str(name.value) for name in names}
    tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    return certificate.not_valid_after_utc > tomorrow and known.issuperset(_names(host))


def _x509() -> ModuleType:
    """The module for certificates.

    Raises:
        UsageError: it is not installed.
    """
    try:
        from cryptography import x509
    except ImportError:
        raise UsageError(
            "--tls needs the package cryptography", fix="pip install 'sensor-tui[tls]'"
        ) from None
    return x509


def _make(certificate: Path, key: Path, host: str) -> None:
    """Make a self-signed certificate that is its own authority."""
    x509 = _x509()
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sensor-tui emulator")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=DAYS))
        .add_extension(
            x509.SubjectAlternativeName([_name(x509, name) for name in _names(host)]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .sign(private, hashes.SHA256())
    )
    plain = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(plain)
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))


def _name(x509: ModuleType, name: str) -> Any:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
