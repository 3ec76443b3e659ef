# Sets up and runs the program: .\packaging\run.ps1 [--with EXTRA]... [arguments to inspector]
#
# Without arguments it opens the window with the demo line. --with train adds what training, Grad-CAM and the torch engines
# need; `train` and `explain` add it by themselves.
# If scripts are not allowed here: powershell -ExecutionPolicy Bypass -File packaging\run.ps1
. (Join-Path $PSScriptRoot "setup.ps1")

$Sets = @("base")
$Rest = @($args)
while ($Rest.Count -ge 2 -and $Rest[0] -eq "--with") {
    $Sets += $Rest[1]
    $Rest = @($Rest | Select-Object -Skip 2)
}
if ($Rest.Count -gt 0 -and $Rest[0] -in @("train", "explain")) { $Sets += "train" }

Initialize-Environment $Sets
if ($Rest.Count -eq 0) { $Rest = @("gui", "--start") }
$ErrorActionPreference = "Continue"
& (Join-Path $Venv "Scripts\inspector.exe") @Rest
exit $LASTEXITCODE
