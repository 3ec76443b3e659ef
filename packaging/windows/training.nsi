; Adds training, Grad-CAM and exporting to an installed Inspector of the same version: inspector-training-VERSION-setup.exe [/S] [/NOTEST]
;
; Exit codes: 0 done, 1 cancelled, 2 not installed, 3 failed its self-test.
!define ABOUT "setup of the training pack"
!define MULTIUSER_NOUNINSTALL ; the uninstaller of the program removes the pack, too
!include "common.nsh"

Name "Inspector ${VERSION}, training pack"
!insertmacro MUI_PAGE_LICENSE "${LICENSE}"
!insertmacro MULTIUSER_PAGE_INSTALLMODE
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English"
!insertmacro MUI_LANGUAGE "Japanese"
!insertmacro SharedTexts

LangString Absent ${LANG_ENGLISH} "Inspector ${VERSION} is not installed for this user or for all. Install it first."
LangString Absent ${LANG_JAPANESE} "Inspector ${VERSION}がインストールされていません。先にインストールしてください。"
LangString LongPath ${LANG_ENGLISH} "The path of Inspector's folder is too long for training: install Inspector in one with at most ${LONGEST} letters."
LangString LongPath ${LANG_JAPANESE} "Inspectorのフォルダーのパスが長すぎます。${LONGEST}文字以内のフォルダーにインストールしてください。"
LangString Running ${LANG_ENGLISH} "Inspector is training, or a virus scanner holds its files. Close it and install again."
LangString Running ${LANG_JAPANESE} "学習中か、ウイルス対策ソフトがファイルを使用中です。終了してからもう一度インストールしてください。"
LangString Failed ${LANG_ENGLISH} "The training pack failed its self-test and was removed."
LangString Failed ${LANG_JAPANESE} "学習パックは自己診断に失敗したため削除されました。"

Function .onInit
    SetRegView 64
    !insertmacro InitMultiUser
FunctionEnd

Section "Training"
    ${IfNot} ${FileExists} "$INSTDIR\${VERSION}\inspector.exe"
        !insertmacro Refuse "$(Absent)" 2
    ${EndIf}
    !insertmacro RefuseLongPath
    !insertmacro RefuseFullDrive
    RMDir /r "$INSTDIR\.new"
    SetOutPath "$INSTDIR\.new"
    !insertmacro Unpack "$INSTDIR\${VERSION}\inspector.exe"
    RMDir /r "$INSTDIR\${VERSION}\training"
    RMDir /r "$INSTDIR\${VERSION}\training-licenses"
    Delete "$INSTDIR\${VERSION}\training-sbom.cdx.json"
    !insertmacro RenameSoon "$INSTDIR\.new\training" "$INSTDIR\${VERSION}\training"
    ${If} ${Errors}
        RMDir /r "$INSTDIR\.new"
        !insertmacro Refuse "$(Running)" 2
    ${EndIf}
    Rename "$INSTDIR\.new\training-licenses" "$INSTDIR\${VERSION}\training-licenses"
    Rename "$INSTDIR\.new\training-sbom.cdx.json" "$INSTDIR\${VERSION}\training-sbom.cdx.json"
    RMDir /r "$INSTDIR\.new"
    !insertmacro SelfTest '-c "import torch, torchvision, timm, nncf"'
    ${If} $0 != 0
        RMDir /r "$INSTDIR\${VERSION}\training"
        RMDir /r "$INSTDIR\${VERSION}\training-licenses"
        Delete "$INSTDIR\${VERSION}\training-sbom.cdx.json"
        !insertmacro Refuse "$(Failed)" 3
    ${EndIf}
SectionEnd
