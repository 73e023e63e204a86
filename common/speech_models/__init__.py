"""The speech models on this machine: what is there, which one serves, how to fetch one.

SpeechModelError (common.errors.Unavailable)
 +- ModelMissing     no model of that kind or name is installed
 +- ModelDamaged     a file differs from what was recorded when it was installed
 +- DownloadFailed   the hub of models could not be reached, or sent something else
"""

from common.speech_models.catalogue import CATALOGUE, CatalogueModel, catalogue_model, model_offers, suggested
from common.speech_models.download import download
from common.speech_models.errors import DownloadFailed, ModelDamaged, ModelMissing, SpeechModelError
from common.speech_models.manifest import Kind, Manifest, ModelFile
from common.speech_models.progress import Progress, progress_queue, progress_read
from common.speech_models.store import InstalledModel, chosen, find, installed, remove, verify

__all__ = [
    "CATALOGUE",
    "CatalogueModel",
    "DownloadFailed",
    "InstalledModel",
    "Kind",
    "Manifest",
    "ModelDamaged",
    "ModelFile",
    "ModelMissing",
    "Progress",
    "SpeechModelError",
    "catalogue_model",
    "chosen",
    "download",
    "find",
    "installed",
    "model_offers",
    "progress_queue",
    "progress_read",
    "remove",
    "suggested",
    "verify",
]
