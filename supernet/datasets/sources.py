"""Where a data set may come from: what users write, as settings."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(gt=0, lt=0.5)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Mode = Literal["grey", "rgb"]
ImageSize = Annotated[int, Field(ge=4, le=1024)]


class DigitsSource(BaseModel):
    """Scikit-learn's 1,797 images of handwritten digits, 8 x 8 pixels of 17 shades.

    Split 1,000 / 397 / 400, stratified.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["digits"] = "digits"
    split_seed: Seed = 0


class Located(BaseModel):
    """What names a file or a folder: below a data root, or an upload.

    Attributes:
        path: relative to the data root, which it never leaves.
        root: the name of a data root; by default the data folder.
        upload: id of a complete upload, instead of a path.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00]+$")] | None = None
    root: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    upload: Annotated[str, Field(max_length=100, pattern=r"^upl_[0-9a-z]+$")] | None = None

    @model_validator(mode="after")
    def _check_place(self) -> Self:
        if (self.path is None) == (self.upload is None):
            raise ValueError("must have either a path or an upload")
        if self.root is not None and self.path is None:
            raise ValueError("must have a path where it has a root")
        return self

    @property
    def place_field(self) -> Literal["path", "upload"]:
        """The field that says where the files are."""
        return "path" if self.path is not None else "upload"

    @property
    def place(self) -> str:
        """What that field holds."""
        place = self.path or self.upload
        assert place is not None
        return place


class _LocatedSource(Located):
    """A source of files.

    Attributes:
        validation_fraction: share of the training images that is cut off for validation, where
            there is no such split; the cut is stratified.
        test_fraction: likewise, for the test.
        split_seed: draws the cut.
        max_unreadable_fraction: images that cannot be read are skipped and reported; if they are a
            larger share of all, the data set is refused.
    """

    validation_fraction: Fraction = 0.2
    test_fraction: Fraction = 0.2
    split_seed: Seed = 0
    max_unreadable_fraction: float = Field(default=0.01, ge=0, le=1)


class ArraysSource(_LocatedSource):
    """A `.npz` file.

    It holds either `images` and `labels`, or `train_images`, `train_labels` and as it pleases also
    `test_images`, `test_labels`, `validation_images`, `validation_labels`. Where `n_train` is
    there, the first so many of `images` are train and the others test. What is missing is cut off.
    Images are uint8 of shape (count, height, width) or (count, height, width, channels); labels
    are whole numbers from 0. Instead of `images` there may be image files (JPEG, PNG, ...), one
    after the other, in `jpeg` (uint8) and `offsets` (whole numbers, one more than images): image i
    is `jpeg[offsets[i]:offsets[i + 1]]`. `classes` may name the classes.

    Attributes:
        image_size: image files are resized and cropped to squares of so many pixels a side; by
            default all must have one size. Not for plain images.
        mode: what image files are converted to; by default that of the first. Not for plain images.
    """

    kind: Literal["arrays"] = "arrays"
    image_size: ImageSize | None = None
    mode: Mode | None = None


class _ImagesSource(_LocatedSource):
    """Image files of any size.

    Attributes:
        image_size: every image is resized so that it covers a square of so many pixels a side, and
            the middle is kept.
        mode: what images are converted to.
    """

    image_size: ImageSize
    mode: Mode = "rgb"


class ImageFolderSource(_ImagesSource):
    """A folder, or an archive (zip, tar, also compressed), with one folder of images per class.

    `class/image.jpg`, or `train/class/image.jpg` with `validation` (or `val`) and `test` beside
    `train`. Labels are the classes' names in alphabetical order.
    """

    kind: Literal["image_folder"] = "image_folder"


class WebDatasetSource(_ImagesSource):
    """Tar shards, or a folder of them: `key.jpg` beside `key.cls`, or beside `key.json`.

    The shards' names, or their folders', begin with the name of their split (`train-0000.tar`);
    where none does, all are one set, to be cut.

    Attributes:
        label_field: where `key.json` holds the label; a whole number, or the class's name.
    """

    kind: Literal["webdataset"] = "webdataset"
    label_field: str = Field(default="label", min_length=1, max_length=200)


class HuggingFaceSource(_ImagesSource):
    """A data set of Hugging Face's `datasets` on the local disk.

    A folder as `save_to_disk` writes it, or parquet or arrow files: one, or a folder of them whose
    names (or folders) begin with the name of their split (`train-00000-of-00004.parquet`). Nothing
    is ever downloaded, and no code of the data set is run. Needs the extra `hugging-face`.

    Attributes:
        image_column: of image files' bytes, or of structures with a field `bytes`.
        label_column: of whole numbers, or of the classes' names.
    """

    kind: Literal["hugging_face"] = "hugging_face"
    image_column: str = Field(default="image", min_length=1, max_length=200)
    label_column: str = Field(default="label", min_length=1, max_length=200)


LocatedSource = ArraysSource | ImageFolderSource | WebDatasetSource | HuggingFaceSource
AnySource = DigitsSource | LocatedSource
DataSetSource = Annotated[AnySource, Field(discriminator="kind")]
