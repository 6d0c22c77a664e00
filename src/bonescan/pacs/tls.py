"""TLS to an archive: what we show it, whom we trust, and what went wrong, in words.

TLS 1.2 or newer with the host's certificate checked, as the profiles of PS3.15, annex B, ask.
"""

from __future__ import annotations

import os
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from bonescan.errors import BadSettings

#: Where the passphrase of an encrypted private key is looked for.
PASSPHRASE = "BONESCAN_TLS_PASSPHRASE"
#: Codes of OpenSSL's verification (x509_vfy.h): expired; another host's; another address's.
_EXPIRED, _OTHER_HOST, _OTHER_ADDRESS = 10, 62, 64
#: Parts of OpenSSL's reasons with which the other side turns our own certificate down; a handshake
#: failure is what TLS 1.2 answers where there is none.
_OURS = ("CERTIFICATE_REQUIRED", "ALERT_UNKNOWN_CA", "ALERT_HANDSHAKE_FAILURE", "CERTIFICATE_")
#: Seconds for the other side to say what it dislikes, once nothing has come about: TLS 1.3 tells it
#: after the handshake.
_AFTERTHOUGHT_S = 5.0


@dataclass(frozen=True)
class Tls:
    """How an archive is talked to in TLS.

    Attributes
    ----------
    context : ssl.SSLContext
        With the authorities that are trusted and our own certificate.
    name : str or None
        The name that the archive's certificate has; None where it is the host's.
    """

    context: ssl.SSLContext
    name: str | None = None


def open_tls(
    *,
    authority: Path | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
    name: str | None = None,
) -> Tls:
    """Load what TLS needs, all in PEM.

    Parameters
    ----------
    authority : Path, optional
        Certificates to trust: those of the authority, or the archive's own. Without it the
        authorities that the system trusts.
    certificate : Path, optional
        Our certificate, with its chain, for archives that ask for one.
    key : Path, optional
        Its private key; without it the key in ``certificate``. The passphrase of an encrypted one
        is taken from the environment, ``BONESCAN_TLS_PASSPHRASE``.
    name : str, optional
        The name that the archive's certificate has, where it is not the host's.

    Raises
    ------
    BadSettings
        If a file cannot be read, holds no PEM, or key and certificate do not fit.
    """
    if key is not None and certificate is None:
        raise BadSettings("--tls-key: is a key without certificate; give --tls-certificate, too")
    for option, path in (("ca", authority), ("certificate", certificate), ("key", key)):
        _check_readable(option, path)
    try:
        context = ssl.create_default_context(cafile=authority)
    except ssl.SSLError as error:
        raise BadSettings(
            f"--tls-ca {authority}: holds no certificate; give one or more in PEM"
        ) from error
    # Hospitals' own authorities lack extensions that Python 3.13 asks for, and some archives show
    # a certificate that they signed themselves: trusted is what the user names.
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VerifyFlags.VERIFY_X509_STRICT
    if certificate is not None:
        _load_own(context, certificate, key)
    return Tls(context, name)


def _check_readable(option: str, path: Path | None) -> None:
    try:
        if path is not None:
            path.read_bytes()
    except OSError as error:
        raise BadSettings(
            f"--tls-{option} {path}: cannot be read ({error.strerror}); check the file"
        ) from error


def _load_own(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    try:
        context.load_cert_chain(certificate, key, lambda: os.environ.get(PASSPHRASE, ""))
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            problem = "is not the key of --tls-certificate; give the key it was made with"
        elif error.reason is None or "DECRYPT" in error.reason or "PASSWORD" in error.reason:
            problem = f"is no key in PEM, or needs its passphrase in {PASSPHRASE}"
        else:
            problem = f"hold no certificate and key in PEM ({_reason(error)})"
        shown = f"--tls-key {key}" if key else f"--tls-certificate {certificate}"
        raise BadSettings(f"{shown}: {problem}") from error


def shake_hands(link: socket.socket, tls: Tls, host: str) -> str:
    """Try TLS on an open connection, which is used up.

    Returns
    -------
    str
        What stands against it, with the remedy; empty where nothing does.
    """
    try:
        with tls.context.wrap_socket(link, server_hostname=tls.name or host):
            return ""
    except (OSError, ValueError) as error:
        return _objection(error)


def afterthought(link: socket.socket, tls: Tls, host: str) -> str:
    """Tell what the other side says to our certificate once hands are shaken; empty for nothing."""
    try:
        with tls.context.wrap_socket(link, server_hostname=tls.name or host) as secured:
            secured.settimeout(_AFTERTHOUGHT_S)
            secured.recv(1)
    except ssl.SSLError as error:
        return _objection(error)
    except OSError:
        pass
    return ""


def wants_tls(link: socket.socket) -> bool:
    """Tell whether the other side of an open connection, which is used up, speaks TLS at all."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent: this asks for a language, not for trust
    link.settimeout(_AFTERTHOUGHT_S)
    try:
        with context.wrap_socket(link):
            return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")
    except OSError:
        return False


def _objection(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        said = f"shows a certificate that we do not trust ({error.verify_message.rstrip('.')})"
        if error.verify_code in (_OTHER_HOST, _OTHER_ADDRESS):
            return f"{said}; give the name that it has with --tls-name"
        if error.verify_code == _EXPIRED:
            return f"{said}; have it renewed"
        return f"{said}; give its authority with --tls-ca"
    reason = _reason(error)
    if isinstance(error, ssl.SSLError) and any(part in (error.reason or "") for part in _OURS):
        return (
            f"does not take our certificate ({reason}); give one that it knows with "
            "--tls-certificate"
        )
    return f"does not answer in TLS ({reason}); give the port where it does, or leave TLS out"


def _reason(error: Exception) -> str:
    own = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    return str(own).lower().replace("_", " ") or "no reason"
