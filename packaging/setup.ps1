# Dot-sourced by run.ps1 and test.ps1: makes the Python environment in .venv, once.
#
#   INSPECTOR_VENV     where the environment goes (default: .venv in the checkout)
#   INSPECTOR_PYTHON   the Python to use (default: 3.13, 3.12 or 3.11 as the py launcher knows them, then python)

$ErrorActionPreference = "Stop"
$Root = Split-Path -Parent $PSScriptRoot
$Venv = if ($env:INSPECTOR_VENV) { $env:INSPECTOR_VENV } else { Join-Path $Root ".venv" }
$Ready = Join-Path $Venv ".inspector-ready"

function Say($Text) { [Console]::Error.WriteLine("inspector setup: $Text") }

function Stop-With($Text) {
    Say $Text
    exit 1
}

# The full path of a Python from 3.11 to 3.13.
function Find-Python {
    $Test = "import sys; print(sys.executable) if (3, 11) <= sys.version_info[:2] <= (3, 13) else sys.exit(1)"
    $Candidates = @()
    if ($env:INSPECTOR_PYTHON) { $Candidates += , @($env:INSPECTOR_PYTHON) }
    if (Get-Command py -ErrorAction SilentlyContinue) { $Candidates += @("py", "-3.13"), @("py", "-3.12"), @("py", "-3.11") }
    if (Get-Command python -ErrorAction SilentlyContinue) { $Candidates += , @("python") }
    foreach ($Candidate in $Candidates) {
        $Rest = @($Candidate | Select-Object -Skip 1)
        # Windows PowerShell turns a program's stderr into errors, which must not end the search.
        $ErrorActionPreference = "Continue"
        $Path = & $Candidate[0] @Rest -c $Test 2>$null
        $ErrorActionPreference = "Stop"
        if ($LASTEXITCODE -eq 0 -and $Path) { return $Path }
    }
    Stop-With "Python 3.11, 3.12 or 3.13 is needed: install it from python.org or the Microsoft Store"
}

# uv: the one on the PATH, or our own copy in build\uv.
function Find-Uv($Python) {
    $Found = Get-Command uv -ErrorAction SilentlyContinue
    if ($Found) { return $Found.Source }
    $Tool = Join-Path $Root "build\uv"
    $Uv = Join-Path $Tool "Scripts\uv.exe"
    if (-not (Test-Path $Uv)) {
        Say "installing uv into build\uv"
        & $Python -m venv $Tool | Out-Host
        & (Join-Path $Tool "Scripts\python.exe") -m pip install --quiet --disable-pip-version-check uv | Out-Host
        if ($LASTEXITCODE -ne 0) { Stop-With "uv could not be installed. Behind a proxy see resources/manual/troubleshooting.md" }
    }
    return $Uv
}

function Get-Stamp($Name) {
    "{0} {1}" -f (Get-FileHash (Join-Path $Root "pyproject.toml") -Algorithm SHA256).Hash, $Name
}

# Initialize-Environment NAME...: .venv holds these sets of packages afterwards (base, dev, or the name of an extra).
function Initialize-Environment([string[]]$Names) {
    $Known = if (Test-Path $Ready) { @(Get-Content $Ready) } else { @() }
    $Missing = @($Names | Where-Object { $Known -notcontains (Get-Stamp $_) })
    if ($Missing.Count -eq 0 -and (Test-Path (Join-Path $Venv "Scripts\inspector.exe"))) { return }
    $Python = Find-Python
    $Uv = Find-Uv $Python
    $Options = @("sync", "--project", $Root, "--inexact", "--python", $Python)
    if ($Names -notcontains "dev") { $Options += "--no-dev" }
    foreach ($Name in $Names) { if ($Name -notin @("base", "dev")) { $Options += @("--extra", $Name) } }
    $env:UV_PROJECT_ENVIRONMENT = $Venv
    $env:UV_PYTHON_DOWNLOADS = "never"
    Say "installing Python packages into $Venv; the first time this downloads a good deal"
    $ErrorActionPreference = "Continue"
    & $Uv @Options | Out-Host
    if ($LASTEXITCODE -ne 0) {
        Say "that failed; once more with the certificates of this system"
        $env:UV_SYSTEM_CERTS = "1"
        $env:UV_NATIVE_TLS = "1"
        & $Uv @Options | Out-Host
    }
    $Code = $LASTEXITCODE
    $ErrorActionPreference = "Stop"
    if ($Code -ne 0) { Stop-With "the Python packages could not be installed. Behind a proxy see resources/manual/troubleshooting.md" }
    foreach ($Name in $Names) { Add-Content -Path $Ready -Value (Get-Stamp $Name) }
}
