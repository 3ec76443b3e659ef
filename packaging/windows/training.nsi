; Adds training, Grad-CAM and exporting to an installed Inspector of the same version: inspector-training-VERSION-setup.exe [/S] [/NOTEST]
;
; Exit codes: 0 done, 1 cancelled, 2 not installed, 3 failed its self-test.
Unicode true
Target amd64-unicode
!ifdef FAST
    SetCompressor zlib
!else
    SetCompressor /SOLID lzma
    SetCompressorDictSize 64
!endif
ManifestDPIAware true
CRCCheck force

!define MULTIUSER_EXECUTIONLEVEL Highest
!define MULTIUSER_INSTALLMODE_COMMANDLINE
!define MULTIUSER_INSTALLMODE_DEFAULT_CURRENTUSER
!define MULTIUSER_USE_PROGRAMFILES64
!define MULTIUSER_INSTALLMODE_INSTDIR "Inspector"
!define MULTIUSER_INSTALLMODE_INSTDIR_REGISTRY_KEY "Software\Inspector"
!define MULTIUSER_INSTALLMODE_INSTDIR_REGISTRY_VALUENAME "Folder"
!define MULTIUSER_MUI
!define MULTIUSER_NOUNINSTALL ; the uninstaller of the program removes the pack, too
!include "MultiUser.nsh"
!include "MUI2.nsh"
!include "FileFunc.nsh"
!include "LogicLib.nsh"

Name "Inspector ${VERSION}, training pack"
OutFile "${OUTFILE}"
Icon "${ICON}"
VIProductVersion "${NUMBERS}"
VIAddVersionKey "ProductName" "Inspector"
VIAddVersionKey "FileDescription" "Inspector ${VERSION}, setup of the training pack"
VIAddVersionKey "FileVersion" "${VERSION}"
VIAddVersionKey "ProductVersion" "${VERSION}"
VIAddVersionKey "LegalCopyright" "Apache-2.0"
!define MUI_ICON "${ICON}"
!insertmacro MUI_PAGE_LICENSE "${LICENSE}"
!insertmacro MULTIUSER_PAGE_INSTALLMODE
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English"
!insertmacro MUI_LANGUAGE "Japanese"

LangString Absent ${LANG_ENGLISH} "Inspector ${VERSION} is not installed for this user or for all. Install it first."
LangString Absent ${LANG_JAPANESE} "Inspector ${VERSION}がインストールされていません。先にインストールしてください。"
LangString LongPath ${LANG_ENGLISH} "The path of Inspector's folder is too long for training: install Inspector in one with at most ${LONGEST} letters."
LangString LongPath ${LANG_JAPANESE} "Inspectorのフォルダーのパスが長すぎます。${LONGEST}文字以内のフォルダーにインストールしてください。"
LangString NoSpace ${LANG_ENGLISH} "There is too little space on this drive: ${MEGABYTES} MB are needed. Nothing was installed."
LangString NoSpace ${LANG_JAPANESE} "ドライブの空き容量が足りません（${MEGABYTES} MB必要）。何もインストールされていません。"
LangString Running ${LANG_ENGLISH} "Inspector is training, or a virus scanner holds its files. Close it and install again."
LangString Running ${LANG_JAPANESE} "学習中か、ウイルス対策ソフトがファイルを使用中です。終了してからもう一度インストールしてください。"
LangString Failed ${LANG_ENGLISH} "The training pack failed its self-test and was removed."
LangString Failed ${LANG_JAPANESE} "学習パックは自己診断に失敗したため削除されました。"

!macro Refuse TEXT CODE
    MessageBox MB_ICONSTOP "${TEXT}" /SD IDOK
    SetErrorLevel ${CODE}
    Quit
!macroend

Function .onInit
    SetRegView 64
    !insertmacro MULTIUSER_INIT
FunctionEnd


Section "Training"
    ${IfNot} ${FileExists} "$INSTDIR\${VERSION}\inspector.exe"
        !insertmacro Refuse "$(Absent)" 2
    ${EndIf}
    StrLen $0 $INSTDIR
    ${If} $0 > ${LONGEST}
        !insertmacro Refuse "$(LongPath)" 2
    ${EndIf}
    ${GetRoot} "$INSTDIR" $0
    ${DriveSpace} "$0\" "/D=F /S=M" $1
    ${If} $1 < ${MEGABYTES}
        !insertmacro Refuse "$(NoSpace)" 2
    ${EndIf}
    RMDir /r "$INSTDIR\.new"
    SetOutPath "$INSTDIR\.new"
    File /r "${FOLDER}\*"
    SetOutPath "$INSTDIR"
    RMDir /r "$INSTDIR\${VERSION}\training"
    RMDir /r "$INSTDIR\${VERSION}\training-licenses"
    Delete "$INSTDIR\${VERSION}\training-sbom.cdx.json"
    ClearErrors
    Rename "$INSTDIR\.new\training" "$INSTDIR\${VERSION}\training"
    ${If} ${Errors}
        RMDir /r "$INSTDIR\.new"
        !insertmacro Refuse "$(Running)" 2
    ${EndIf}
    Rename "$INSTDIR\.new\training-licenses" "$INSTDIR\${VERSION}\training-licenses"
    Rename "$INSTDIR\.new\training-sbom.cdx.json" "$INSTDIR\${VERSION}\training-sbom.cdx.json"
    RMDir /r "$INSTDIR\.new"
    ${GetParameters} $0
    ClearErrors
    ${GetOptions} $0 "/NOTEST" $1
    StrCpy $0 0
    ${If} ${Errors}
        nsExec::ExecToLog '"$INSTDIR\${VERSION}\inspector.exe" -c "import torch, torchvision, timm, nncf"'
        Pop $0
    ${EndIf}
    ${If} $0 != 0
        RMDir /r "$INSTDIR\${VERSION}\training"
        !insertmacro Refuse "$(Failed)" 3
    ${EndIf}
SectionEnd
