"""The folder of Spark in an object store: what Spark reads is copied up, what it made is copied
down. By the file systems of pyarrow, which take their keys from where the cloud's own tools do."""

from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from pyarrow import ArrowException
from pyarrow.fs import FileSelector, FileSystem, LocalFileSystem, copy_files

from orchestration.errors import ResourceError

# A folder of our own, so that nothing else in the bucket is deleted.
NAME = "tokenshare"


class RemoteFolder:
    """The folder `tokenshare` at a URL such as s3a://bucket/folder.

    The URL may have the options of pyarrow's file system, such as `?endpoint_override=host:port`
    for a store that is not the cloud's own. Spark has options of its own and sees none of them.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        place = parts.netloc
        if parts.scheme == "gs":
            place = place.removeprefix("anonymous@")
        path = f"{parts.path.rstrip('/')}/{NAME}"
        self.spark_url = f"{parts.scheme}://{place}{path}"
        # Hadoop's name of S3 is s3a, pyarrow knows s3.
        scheme = "s3" if parts.scheme == "s3a" else parts.scheme
        self._arrow_url = parts._replace(scheme=scheme, path=path).geturl()

    def replace(self, folder: Path) -> None:
        """Copy what this folder has, in place of all that was there.

        Raises ResourceError if the store cannot be written.
        """
        try:
            store, path = FileSystem.from_uri(self._arrow_url)
            store.delete_dir_contents(path, missing_dir_ok=True)
            copy_files(str(folder), path, LocalFileSystem(), store)
        except (ArrowException, OSError) as error:
            raise ResourceError(f"{self.spark_url} cannot be written: {error}") from error

    def fetch(self, name: str, target: Path) -> None:
        """Copy a folder that Spark has made to this path.

        Raises ResourceError if the store cannot be read.
        """
        try:
            store, path = FileSystem.from_uri(self._arrow_url)
            path = f"{path}/{name}"
            # A store has objects; not each of their folders is among them.
            for found in store.get_file_info(FileSelector(path, recursive=True)):
                if found.is_file:
                    parent = target / PurePosixPath(found.path).relative_to(path).parent
                    parent.mkdir(parents=True, exist_ok=True)
            copy_files(path, str(target), store, LocalFileSystem())
        except (ArrowException, OSError) as error:
            raise ResourceError(f"{self.spark_url} cannot be read: {error}") from error
