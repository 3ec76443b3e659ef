; Installs Inspector for one user or for all: inspector-VERSION-setup.exe [/S] [/AllUsers | /CurrentUser] [/AUTOSTART] [/NOTEST] [/D=FOLDER]
;
; Every version has a folder of its own below the chosen one. The version before stays and can be started from the Start menu. A
; version that fails its self-test is removed again. The uninstaller keeps recipes, bundles and results; /DELETEDATA removes them.
; Exit codes: 0 done, 1 cancelled, 2 not installed, 3 failed its self-test.
!define ABOUT "setup"
!include "common.nsh"
!include "WinVer.nsh"
!include "x64.nsh"

!define KEY "Software\Microsoft\Windows\CurrentVersion\Uninstall\Inspector"
!define RUN "Software\Microsoft\Windows\CurrentVersion\Run"
!define PATHS "Software\Microsoft\Windows\CurrentVersion\App Paths\inspector.exe"

Name "Inspector ${VERSION}"
BrandingText "Inspector ${VERSION}"
UninstallIcon "${ICON}"
!define MUI_UNICON "${ICON}"

!insertmacro MUI_PAGE_LICENSE "${LICENSE}"
!insertmacro MULTIUSER_PAGE_INSTALLMODE
!insertmacro MUI_PAGE_COMPONENTS
!insertmacro MUI_PAGE_DIRECTORY
!insertmacro MUI_PAGE_INSTFILES
!define MUI_FINISHPAGE_RUN "$INSTDIR\${VERSION}\inspectorw.exe"
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English"
!insertmacro MUI_LANGUAGE "Japanese"
!insertmacro SharedTexts

LangString OldWindows ${LANG_ENGLISH} "Inspector needs Windows 10 or 11 for 64-bit processors."
LangString OldWindows ${LANG_JAPANESE} "Inspectorには64ビット版のWindows 10または11が必要です。"
LangString LongPath ${LANG_ENGLISH} "The path of the folder is too long: choose one with at most ${LONGEST} letters."
LangString LongPath ${LANG_JAPANESE} "フォルダーのパスが長すぎます。${LONGEST}文字以内のフォルダーを選んでください。"
LangString NoWrite ${LANG_ENGLISH} "The folder cannot be written. Choose another one, or install for this user only. Nothing was installed."
LangString NoWrite ${LANG_JAPANESE} "フォルダーに書き込めません。別のフォルダーを選ぶか、このユーザーだけにインストールしてください。何もインストールされていません。"
LangString Running ${LANG_ENGLISH} "Inspector ${VERSION} is running, or a virus scanner holds its files. Close it and install again."
LangString Running ${LANG_JAPANESE} "Inspector ${VERSION}が実行中か、ウイルス対策ソフトがファイルを使用中です。終了してからもう一度インストールしてください。"
LangString Failed ${LANG_ENGLISH} "The new version failed its self-test and was removed. The version before is unchanged."
LangString Failed ${LANG_JAPANESE} "新しいバージョンは自己診断に失敗したため削除されました。以前のバージョンはそのままです。"
LangString DescStation ${LANG_ENGLISH} "The inspection station."
LangString DescStation ${LANG_JAPANESE} "検査ステーション本体です。"
LangString DescLogon ${LANG_ENGLISH} "Open the window and start inspecting when the user logs on."
LangString DescLogon ${LANG_JAPANESE} "ログオン時にウィンドウを開いて検査を始めます。"

Var Before ; the version that was installed until now, or empty

Function .onInit
    SetRegView 64
    ${IfNot} ${RunningX64}
    ${OrIfNot} ${AtLeastWin10}
        MessageBox MB_ICONSTOP "$(OldWindows)" /SD IDOK
        SetErrorLevel 2
        Quit
    ${EndIf}
    !insertmacro InitMultiUser
FunctionEnd

Function un.onInit
    SetRegView 64
    !insertmacro MULTIUSER_UNINIT
FunctionEnd

!macro MoveTraining FROM TO ; the training pack goes with the version that it belongs to
    Rename "${FROM}\training" "${TO}\training"
    Rename "${FROM}\training-licenses" "${TO}\training-licenses"
    Rename "${FROM}\training-sbom.cdx.json" "${TO}\training-sbom.cdx.json"
!macroend

!macro TakeBack NEW ; remove the new files; where the same version was there before, it is back, with its training pack
    !insertmacro MoveTraining "${NEW}" "$INSTDIR\.old"
    RMDir /r "${NEW}"
    Rename "$INSTDIR\.old" "$INSTDIR\${VERSION}"
!macroend

Section "Inspector" Station
    SectionIn RO
    !insertmacro RefuseLongPath
    ClearErrors
    CreateDirectory "$INSTDIR"
    FileOpen $0 "$INSTDIR\.write" w
    ${If} ${Errors}
        !insertmacro Refuse "$(NoWrite)" 2
    ${EndIf}
    FileClose $0
    Delete "$INSTDIR\.write"
    !insertmacro RefuseFullDrive
    ReadRegStr $Before SHCTX "Software\Inspector" "Version"

    ; Everything goes to a folder of its own first: the new version is there whole or not at all.
    RMDir /r "$INSTDIR\.new"
    RMDir /r "$INSTDIR\.old"
    SetOutPath "$INSTDIR\.new"
    File /r /x site "${FOLDER}\*"
    !insertmacro Unpack "$INSTDIR\.new\inspector.exe"
    ${If} ${FileExists} "$INSTDIR\${VERSION}\*"
        ClearErrors
        Rename "$INSTDIR\${VERSION}" "$INSTDIR\.old"
        ${If} ${Errors}
            RMDir /r "$INSTDIR\.new"
            !insertmacro Refuse "$(Running)" 2
        ${EndIf}
        !insertmacro MoveTraining "$INSTDIR\.old" "$INSTDIR\.new" ; the same version again: its training pack stays
    ${EndIf}
    !insertmacro RenameSoon "$INSTDIR\.new" "$INSTDIR\${VERSION}"
    ${If} ${Errors}
        !insertmacro TakeBack "$INSTDIR\.new"
        !insertmacro Refuse "$(Running)" 2
    ${EndIf}

    !insertmacro SelfTest 'doctor --self-test'
    ${If} $0 != 0
        !insertmacro TakeBack "$INSTDIR\${VERSION}"
        !insertmacro Refuse "$(Failed)" 3
    ${EndIf}
    RMDir /r "$INSTDIR\.old"

    WriteUninstaller "$INSTDIR\uninstall.exe"
    CreateDirectory "$SMPROGRAMS\Inspector"
    CreateShortcut "$SMPROGRAMS\Inspector\Inspector.lnk" "$INSTDIR\${VERSION}\inspectorw.exe"
    CreateShortcut "$SMPROGRAMS\Inspector\Inspector commands.lnk" "$SYSDIR\cmd.exe" '/k "set PATH=$INSTDIR\${VERSION};%PATH%&&inspector --help"'
    CreateShortcut "$SMPROGRAMS\Inspector\Uninstall Inspector.lnk" "$INSTDIR\uninstall.exe"
    WriteRegStr SHCTX "Software\Inspector" "Folder" "$INSTDIR"
    WriteRegStr SHCTX "Software\Inspector" "Version" "${VERSION}"
    ${If} $Before != ""
    ${AndIf} $Before != "${VERSION}"
        ReadRegStr $0 SHCTX "Software\Inspector" "Previous"
        ${If} $0 != ""
        ${AndIf} $0 != "${VERSION}"
        ${AndIf} $0 != $Before
            RMDir /r "$INSTDIR\$0"
        ${EndIf}
        WriteRegStr SHCTX "Software\Inspector" "Previous" "$Before"
        CreateShortcut "$SMPROGRAMS\Inspector\Inspector, version before.lnk" "$INSTDIR\$Before\inspectorw.exe"
    ${EndIf}
    WriteRegStr SHCTX "${PATHS}" "" "$INSTDIR\${VERSION}\inspector.exe"
    WriteRegStr SHCTX "${KEY}" "DisplayName" "Inspector"
    WriteRegStr SHCTX "${KEY}" "DisplayVersion" "${VERSION}"
    WriteRegStr SHCTX "${KEY}" "Publisher" "The Inspector developers"
    WriteRegStr SHCTX "${KEY}" "DisplayIcon" "$INSTDIR\${VERSION}\inspector.exe"
    WriteRegStr SHCTX "${KEY}" "InstallLocation" "$INSTDIR"
    WriteRegStr SHCTX "${KEY}" "UninstallString" '"$INSTDIR\uninstall.exe" /$MultiUser.InstallMode'
    WriteRegStr SHCTX "${KEY}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /$MultiUser.InstallMode /S'
    WriteRegDWORD SHCTX "${KEY}" "NoModify" 1
    WriteRegDWORD SHCTX "${KEY}" "NoRepair" 1
    WriteRegDWORD SHCTX "${KEY}" "EstimatedSize" ${KILOBYTES}
    ${GetParameters} $0
    ClearErrors
    ${GetOptions} $0 "/AUTOSTART" $1
    ${IfNot} ${Errors}
        WriteRegStr SHCTX "${RUN}" "Inspector" '"$INSTDIR\${VERSION}\inspectorw.exe" gui --start'
    ${EndIf}
    ReadRegStr $1 SHCTX "${RUN}" "Inspector" ; an update keeps the start at log-on, and starts the new version
    ${If} $1 != ""
        WriteRegStr SHCTX "${RUN}" "Inspector" '"$INSTDIR\${VERSION}\inspectorw.exe" gui --start'
    ${EndIf}
SectionEnd

Section /o "Start at log-on" Logon
    WriteRegStr SHCTX "${RUN}" "Inspector" '"$INSTDIR\${VERSION}\inspectorw.exe" gui --start'
SectionEnd

!insertmacro MUI_FUNCTION_DESCRIPTION_BEGIN
!insertmacro MUI_DESCRIPTION_TEXT ${Station} "$(DescStation)"
!insertmacro MUI_DESCRIPTION_TEXT ${Logon} "$(DescLogon)"
!insertmacro MUI_FUNCTION_DESCRIPTION_END

Section "Uninstall"
    ; Only folders that hold an installed version are removed, whatever else a person put beside them.
    FindFirst $0 $1 "$INSTDIR\*"
    ${DoWhile} $1 != ""
        ${If} ${FileExists} "$INSTDIR\$1\installation.json"
            RMDir /r "$INSTDIR\$1"
        ${EndIf}
        FindNext $0 $1
    ${Loop}
    FindClose $0
    RMDir /r "$INSTDIR\.new"
    RMDir /r "$INSTDIR\.old"
    Delete "$INSTDIR\uninstall.exe"
    RMDir "$INSTDIR"
    RMDir /r "$SMPROGRAMS\Inspector"
    DeleteRegValue SHCTX "${RUN}" "Inspector"
    DeleteRegKey SHCTX "${PATHS}"
    DeleteRegKey SHCTX "${KEY}"
    DeleteRegKey SHCTX "Software\Inspector"
    ${GetParameters} $0
    ClearErrors
    ${GetOptions} $0 "/DELETEDATA" $1
    ${IfNot} ${Errors}
        RMDir /r "$LOCALAPPDATA\inspector"
    ${EndIf}
SectionEnd
