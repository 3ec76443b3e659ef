; What setup.nsi and training.nsi share. ABOUT says which of them it is.
Unicode true
Target amd64-unicode
!ifdef FAST
    SetCompressor zlib
!else
    SetCompressor lzma
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
!include "MultiUser.nsh"
!include "MUI2.nsh"
!include "FileFunc.nsh"
!include "LogicLib.nsh"

OutFile "${OUTFILE}"
Icon "${ICON}"
VIProductVersion "${NUMBERS}"
VIAddVersionKey "ProductName" "Inspector"
VIAddVersionKey "FileDescription" "Inspector ${VERSION}, ${ABOUT}"
VIAddVersionKey "FileVersion" "${VERSION}"
VIAddVersionKey "ProductVersion" "${VERSION}"
VIAddVersionKey "LegalCopyright" "Apache-2.0"
!define MUI_ICON "${ICON}"

Function .onInstFailed ; a file could not be written
    SetOutPath "$TEMP"
    RMDir /r "$INSTDIR\.new"
FunctionEnd

!macro InitMultiUser ; MultiUser.nsh puts its own folder in the place of the one that /D names
    Push $INSTDIR
    !insertmacro MULTIUSER_INIT
    Pop $0
    ${If} $0 != ""
        StrCpy $INSTDIR $0
    ${EndIf}
!macroend

!macro Refuse TEXT CODE
    MessageBox MB_ICONSTOP "${TEXT}" /SD IDOK
    SetErrorLevel ${CODE}
    Quit
!macroend

!macro RefuseLongPath ; with the sentence LongPath of the script
    StrLen $0 $INSTDIR
    ${If} $0 > ${LONGEST}
        !insertmacro Refuse "$(LongPath)" 2
    ${EndIf}
!macroend

!macro RefuseFullDrive
    ${GetRoot} "$INSTDIR" $0
    ${DriveSpace} "$0\" "/D=F /S=M" $1
    ${If} $1 < ${MEGABYTES}
        !insertmacro Refuse "$(NoSpace)" 2
    ${EndIf}
!macroend

!macro Unpack PROGRAM ; the packed files into $INSTDIR\.new, which must not be the current folder of any process when it is removed
    SetOutPath "$INSTDIR\.new"
    SetCompress off
    File "/oname=packed.tar.xz" "${PAYLOAD}"
    SetCompress auto
    SetOutPath "$INSTDIR"
    nsExec::ExecToLog `"${PROGRAM}" -c "import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])" "$INSTDIR\.new\packed.tar.xz" "$INSTDIR\.new"`
    Pop $0
    Delete "$INSTDIR\.new\packed.tar.xz"
    ${If} $0 != 0
        RMDir /r "$INSTDIR\.new"
        !insertmacro Refuse "$(NoUnpack)" 2
    ${EndIf}
!macroend

!macro RenameSoon FROM TO ; a virus scanner looks at a new program for a moment; error flag as by Rename
    ${For} $1 1 20
        ClearErrors
        Rename "${FROM}" "${TO}"
        ${IfNot} ${Errors}
            ${ExitFor}
        ${EndIf}
        Sleep 250
    ${Next}
!macroend

!macro SelfTest ARGUMENTS ; $0 is 0 afterwards if it passed, or if /NOTEST asks for none
    ${GetParameters} $0
    ClearErrors
    ${GetOptions} $0 "/NOTEST" $1
    StrCpy $0 0
    ${If} ${Errors}
        nsExec::ExecToLog '"$INSTDIR\${VERSION}\inspector.exe" ${ARGUMENTS}'
        Pop $0
    ${EndIf}
!macroend

!macro SharedTexts ; after the languages
    LangString NoSpace ${LANG_ENGLISH} "There is too little space on this drive: ${MEGABYTES} MB are needed. Nothing was installed."
    LangString NoSpace ${LANG_JAPANESE} "ドライブの空き容量が足りません（${MEGABYTES} MB必要）。何もインストールされていません。"
    LangString NoUnpack ${LANG_ENGLISH} "The files could not be unpacked: the drive is full, or a virus scanner holds them. Nothing was installed."
    LangString NoUnpack ${LANG_JAPANESE} "ファイルを展開できません。ドライブの空き容量が足りないか、ウイルス対策ソフトがファイルを使用中です。何もインストールされていません。"
!macroend
