"""What of the packages is left out of an installed program, and why. Patterns are searched in paths relative to `site/`."""

import re
from collections.abc import Sequence
from pathlib import Path

# The Qt that the window uses, by the names of its files on Linux and Windows; everything else of Qt is left out.
_QT_MODULES = "Core|Gui|Widgets|Svg|OpenGLWidgets"
_QT_LIBRARIES = f"({_QT_MODULES}|OpenGL|DBus|XcbQpa|WaylandClient|WlShellIntegration)"
_QT_PLUGINS = "|".join(
    (
        r"platforms/(libq(xcb|wayland|offscreen|minimal)\.so|q(windows|offscreen|minimal)\.dll)",
        r"xcbglintegrations/",
        r"wayland-(shell-integration/libxdg-shell|decoration-client/libbradient|graphics-integration-client/libqt-plugin-wayland-egl)",
        r"imageformats/(lib)?q(gif|ico|jpeg|svg|webp)\.",
        r"iconengines/",
        r"platforminputcontexts/lib(compose|ibus)",
        r"platformthemes/libqxdgdesktopportal",
        r"styles/",
    )
)
QT_KEPT = re.compile(
    "|".join(
        (
            r"^PySide6/[^/]*\.py$",
            rf"^PySide6/Qt({_QT_MODULES})\.(abi3\.so|pyd)$",
            r"^PySide6/(lib)?pyside6\.(abi3\.so|abi3|dll|cp)",
            rf"^PySide6/(Qt/lib/lib)?Qt6{_QT_LIBRARIES}\.(so\.6|dll)$",
            r"^PySide6/Qt/lib/libicu(data|uc|i18n)\.so",
            rf"^PySide6/(Qt/)?plugins/({_QT_PLUGINS})",
            r"^PySide6/(Qt/)?translations/qtbase_(en|ja)\.qm$",
        )
    )
)

# Codecs that no image file which the program reads needs, and what they alone link to.
_CODECS = (
    "aec|apng|avif|bcn|blosc2?|bitshuffle|brotli|brunsli|bz2|cms|gif|h5checksum|htj2k|jpegsof3|lz4f?|lzf|lzfse|lzham|lzo|meshopt|"
    "mozjpeg|pcodec|pglz|qoi|quantize|rcomp|rgbe|snappy|sperr|spng|sz3|szip|tiff|ultrahdr|zfp|zopfli"
)
_CODEC_LIBRARIES = (
    "aom|avif|SZ3c|cpcodec|uhdr|SPERR|zfp|blosc|lzham|openjph|lzfse|meshoptimizer|snappy|sz|aec|zopfli|gif|lzokay|lz4|tiff"
)
_FRONTENDS = "gguf|jax|paddle|pytorch|tensorflow|tensorflow_lite"

DROPPED = [
    (r"(^|/)__pycache__/|\.py[co]$", "compiled anew for the folder it is installed in"),
    (r"\.(pyi|pxd|pyx|h|hpp|hh|cuh|c|cc|cpp|lib|a|cmake|pc|obj|pdb)$", "for compilers and type checkers"),
    (r"\.dist-info/(RECORD|INSTALLER|REQUESTED|direct_url\.json|uv_cache\.json|uv_build\.json)$", "tells about the installing"),
    (
        r"\.dist-info/(licenses|license_files|sboms)/|\.dist-info/(LICEN[CS]E|NOTICE|COPYING|AUTHORS)[^/]*$",
        "in the folder licenses",
    ),
    (r"^(cv2/LICENSE|onnxruntime/(ThirdPartyNotices|LICENSE|Privacy))", "in the folder licenses"),
    (r"(^|/)tests?/(?!__init__|overrides)|^(bin|share|include)/", "tests, scripts and headers"),
    (r"^inspector/_resources/screenshots/", "pictures of the README"),
    (r"^inspector/_resources/translations/.*\.ts$", "sources of translations"),
    (r"^inspector/(?!_).*\.md$", "notes for developers"),
    (r"^(alembic/templates|fpdf/data/color_profiles)/", "for commands and files that this program does not have"),
    (r"^(markdown_it/port\.yaml|fontTools/.*\.txt)$", "notes for developers"),
    (r"^openvino_telemetry(-|/)", "sends usage data; the program forbids its import"),
    (r"^openvino/libs/(lib)?openvino_(intel_(gpu|npu)_|(auto|auto_batch|hetero)_plugin)", "the program runs on the device CPU"),
    (r"^openvino/libs/cache\.json$", "kernels of the GPU plugin"),
    (rf"^openvino/libs/(lib)?openvino_({_FRONTENDS})_frontend", "graphs are ONNX or OpenVINO's own"),
    (r"^openvino/(frontend/\w+/|tools/benchmark/)", "Python's side of these; measuring is the program's own"),
    (r"^openvino/libs/(lib)?(openvino_c\b|tbbmalloc_proxy|tbbbind)", "nothing links to it"),
    (r"^onnxruntime/capi/(libonnxruntime\.so|onnxruntime\.dll)", "the same code is in the Python module"),
    (r"^onnxruntime/(transformers|tools|quantization|datasets|backend)/", "tools for models"),
    (r"^numpy/_core/_(simd|[a-z_]+_tests)\.", "for numpy's own tests"),
    (r"^fontTools/.*\.(so|pyd)$", "the same modules are there in Python"),
    (r"^fontTools/(diff|merge|mtiLib|qu2cu|ufoLib|voltLib)/", "for making fonts"),
    (r"^numpy/(distutils|doc|_pyinstaller)/", "for developers; quantising imports f2py"),
    (r"^cffi/", "for binding libraries; of a bound one, only _cffi_backend is asked"),
    (r"^pydantic/v1/", "pydantic as it was before version 2, for programs of that time"),
    (r"^sqlalchemy/(testing|dialects/(mssql|mysql|oracle))/", "the archive is kept in SQLite or PostgreSQL"),
    (r"^pyqtgraph/icons/peegee/", "the sign of pyqtgraph"),
    (
        r"^shiboken6/(vc(amp|corlib|omp|runtime)|concrt|msvcp)140\w*\.dll$",
        "Microsoft's runtime is beside the launcher, in the same version",
    ),
    (r"^pyqtgraph/(examples|opengl|jupyter|canvas|flowchart)/", "not used"),
    (r"^cv2/(data/haar|utils/|gapi/|mat_wrapper/LICENSE)", "not used"),
    (r"^pygments/lexers/(?!__init__|_mapping|python|special|text)", "colours of programming languages"),
    (rf"^imagecodecs/_({_CODECS})\.", "no image file that is read uses it"),
    (rf"^imagecodecs\.libs/lib({_CODEC_LIBRARIES})", "for codecs that are left out"),
    (r"^pillow\.libs/libavif", "for a module that is left out"),
    (r"^PIL/_(avif|imagingtk)", "not used"),
]

TRAINING_DROPPED = [
    *DROPPED,
    (r"^torch/(include|share|bin/(?!torch_shm_manager))", "for compiling extensions of torch"),
    (r"^torch/lib/(libtorch_cuda_linalg|libcaffe2_nvrtc|libgfortran)\.so", "code for NVIDIA cards, or nothing links to it"),
    (r"^torch/testing/_internal/py312_", "in the language of a later Python"),
    (r"^sklearn/datasets/(data|descr|images)/", "examples"),
    (r"^(pip|wheel)(/|-)", "installs packages"),
    (r"^distutils-precedence\.pth$", "Python reads no .pth files here"),
]


def trim(site: Path, dropped: Sequence[tuple[str, str]]) -> int:
    """Delete what the rules leave out and return how many files that were; empty folders go with them."""
    count = 0
    pattern = re.compile("|".join(f"({rule})" for rule, _reason in dropped))
    for path in sorted(site.rglob("*"), reverse=True):
        name = path.relative_to(site).as_posix()
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif pattern.search(name) or (name.startswith("PySide6/") and not QT_KEPT.search(name)):
            path.unlink()
            count += 1
    return count
