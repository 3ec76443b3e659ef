# Sets up and runs the tests: .\packaging\test.ps1 [arguments to pytest]
. (Join-Path $PSScriptRoot "setup.ps1")

Initialize-Environment @("base", "dev", "train", "oracles")
Set-Location $Root
$ErrorActionPreference = "Continue"
& (Join-Path $Venv "Scripts\python.exe") -m pytest @args
exit $LASTEXITCODE
