/* Complex mathematics that the C library of wine has not. For tests only. */
#include <complex.h>
float shim_cabsf(float _Complex a){return cabsf(a);}
double shim_cabsl(double _Complex a){return cabs(a);}
double shim_carg(double _Complex a){return carg(a);}
float shim_cargf(float _Complex a){return cargf(a);}
double shim_cargl(double _Complex a){return carg(a);}
double _Complex shim_ccos(double _Complex a){return ccos(a);}
float _Complex shim_ccosf(float _Complex a){return ccosf(a);}
double _Complex shim_ccosh(double _Complex a){return ccosh(a);}
float _Complex shim_ccoshf(float _Complex a){return ccoshf(a);}
double _Complex shim_ccoshl(double _Complex a){return ccosh(a);}
double _Complex shim_ccosl(double _Complex a){return ccos(a);}
double _Complex shim_cexp(double _Complex a){return cexp(a);}
float _Complex shim_cexpf(float _Complex a){return cexpf(a);}
double _Complex shim_cexpl(double _Complex a){return cexp(a);}
double shim_cimag(double _Complex a){return __imag__ a;}
float shim_cimagf(float _Complex a){return __imag__ a;}
double shim_cimagl(double _Complex a){return __imag__ a;}
double _Complex shim_cpow(double _Complex a,double _Complex b){return cpow(a,b);}
float _Complex shim_cpowf(float _Complex a,float _Complex b){return cpowf(a,b);}
double _Complex shim_cpowl(double _Complex a,double _Complex b){return cpow(a,b);}
float shim_crealf(float _Complex a){return __real__ a;}
double shim_creall(double _Complex a){return __real__ a;}
double _Complex shim_csin(double _Complex a){return csin(a);}
float _Complex shim_csinf(float _Complex a){return csinf(a);}
double _Complex shim_csinh(double _Complex a){return csinh(a);}
float _Complex shim_csinhf(float _Complex a){return csinhf(a);}
double _Complex shim_csinhl(double _Complex a){return csinh(a);}
double _Complex shim_csinl(double _Complex a){return csin(a);}
double _Complex shim_ctan(double _Complex a){return ctan(a);}
float _Complex shim_ctanf(float _Complex a){return ctanf(a);}
double _Complex shim_ctanh(double _Complex a){return ctanh(a);}
float _Complex shim_ctanhf(float _Complex a){return ctanhf(a);}
double _Complex shim_ctanhl(double _Complex a){return ctanh(a);}
double _Complex shim_ctanl(double _Complex a){return ctan(a);}
