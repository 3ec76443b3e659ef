/* Stands in for the ICU of Windows, which wine has not: every converter "does not exist" (U_UNSUPPORTED_ERROR = 16). For tests only. */
typedef int UErr;
long long UCNV_FROM_U_CALLBACK_SUBSTITUTE(void){return 0;}
long long UCNV_TO_U_CALLBACK_SUBSTITUTE(void){return 0;}
long long ucnv_cbFromUWriteUChars(void){return 0;}
long long ucnv_cbToUWriteUChars(void){return 0;}
long long ucnv_close(void){return 0;}
long long ucnv_countAvailable(void){return 0;}
long long ucnv_fromUCountPending(void){return 0;}
long long ucnv_fromUnicode(void){return 0;}
long long ucnv_getAvailableName(void){return 0;}
long long ucnv_getFromUCallBack(void){return 0;}
long long ucnv_getMaxCharSize(void){return 0;}
long long ucnv_getName(void){return 0;}
long long ucnv_getStandardName(void){return 0;}
long long ucnv_getToUCallBack(void){return 0;}
void* ucnv_open(const char*n,UErr*e){*e=16;return 0;}
long long ucnv_reset(void){return 0;}
long long ucnv_setFromUCallBack(void){return 0;}
long long ucnv_setToUCallBack(void){return 0;}
long long ucnv_toUCountPending(void){return 0;}
long long ucnv_toUnicode(void){return 0;}