"""What a reading has become goes to an archive (PACS), once."""

from bonescan.pacs.archive import Archive, parse_archive
from bonescan.pacs.sending import Delivery, find_results, send_result
from bonescan.pacs.tls import Tls, open_tls

__all__ = [
    "Archive",
    "Delivery",
    "Tls",
    "find_results",
    "open_tls",
    "parse_archive",
    "send_result",
]
