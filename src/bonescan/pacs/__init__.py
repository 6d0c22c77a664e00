"""What a reading has become goes to an archive (PACS), once."""

from bonescan.pacs.archive import Archive, parse_archive
from bonescan.pacs.sending import Delivery, find_results, send_result

__all__ = ["Archive", "Delivery", "find_results", "parse_archive", "send_result"]
