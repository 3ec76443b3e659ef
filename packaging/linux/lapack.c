/* What OpenCV asks of LAPACK and BLAS, passed on to the OpenBLAS that numpy brings.

   OpenCV counts in int, numpy's OpenBLAS in 64-bit integers and under other names. One library of 25 MB thus serves both. */
#include <stdint.h>
#include <stdlib.h>

typedef int64_t wide;

/* A number that is only read. */
#define IN(value) (&(wide){*(value)})

/* Positions of rows: written by the routine, as many as the matrix has columns or rows, whichever are fewer. */
static wide *positions(wide count) { return malloc((size_t)(count > 0 ? count : 1) * sizeof(wide)); }

static void narrow(const wide *from, int *to, wide count) {
    for (wide i = 0; from != NULL && i < count; i++) to[i] = (int)from[i];
}

#define OUT_OF_MEMORY (-1000)

#define ROUTINES(p, real)                                                                                                        \
    void scipy_##p##gesv_64_(wide *, wide *, real *, wide *, wide *, real *, wide *, wide *);                                    \
    void p##gesv_(int *n, int *nrhs, real *a, int *lda, int *ipiv, real *b, int *ldb, int *info) {                               \
        wide done = OUT_OF_MEMORY, *rows = positions(*n);                                                                        \
        if (rows != NULL) scipy_##p##gesv_64_(IN(n), IN(nrhs), a, IN(lda), rows, b, IN(ldb), &done);                             \
        if (done >= 0) narrow(rows, ipiv, *n);                                                                                   \
        free(rows);                                                                                                              \
        *info = (int)done;                                                                                                       \
    }                                                                                                                            \
    void scipy_##p##getrf_64_(wide *, wide *, real *, wide *, wide *, wide *);                                                   \
    void p##getrf_(int *m, int *n, real *a, int *lda, int *ipiv, int *info) {                                                    \
        wide done = OUT_OF_MEMORY, least = *m < *n ? *m : *n, *rows = positions(least);                                          \
        if (rows != NULL) scipy_##p##getrf_64_(IN(m), IN(n), a, IN(lda), rows, &done);                                           \
        if (done >= 0) narrow(rows, ipiv, least);                                                                                \
        free(rows);                                                                                                              \
        *info = (int)done;                                                                                                       \
    }                                                                                                                            \
    void scipy_##p##gesdd_64_(char *, wide *, wide *, real *, wide *, real *, real *, wide *, real *, wide *, real *, wide *,    \
                              wide *, wide *, size_t);                                                                           \
    void p##gesdd_(char *jobz, int *m, int *n, real *a, int *lda, real *s, real *u, int *ldu, real *vt, int *ldvt, real *work,   \
                   int *lwork, int *iwork, int *info) {                                                                          \
        wide done = OUT_OF_MEMORY, *own = positions(8 * (wide)(*m < *n ? *m : *n));                                              \
        (void)iwork;                                                                                                             \
        if (own != NULL)                                                                                                         \
            scipy_##p##gesdd_64_(jobz, IN(m), IN(n), a, IN(lda), s, u, IN(ldu), vt, IN(ldvt), work, IN(lwork), own, &done, 1);   \
        free(own);                                                                                                               \
        *info = (int)done;                                                                                                       \
    }                                                                                                                            \
    void scipy_##p##gels_64_(char *, wide *, wide *, wide *, real *, wide *, real *, wide *, real *, wide *, wide *, size_t);    \
    void p##gels_(char *trans, int *m, int *n, int *nrhs, real *a, int *lda, real *b, int *ldb, real *work, int *lwork,          \
                  int *info) {                                                                                                   \
        wide done = 0;                                                                                                           \
        scipy_##p##gels_64_(trans, IN(m), IN(n), IN(nrhs), a, IN(lda), b, IN(ldb), work, IN(lwork), &done, 1);                   \
        *info = (int)done;                                                                                                       \
    }                                                                                                                            \
    void scipy_##p##geqrf_64_(wide *, wide *, real *, wide *, real *, real *, wide *, wide *);                                   \
    void p##geqrf_(int *m, int *n, real *a, int *lda, real *tau, real *work, int *lwork, int *info) {                            \
        wide done = 0;                                                                                                           \
        scipy_##p##geqrf_64_(IN(m), IN(n), a, IN(lda), tau, work, IN(lwork), &done);                                             \
        *info = (int)done;                                                                                                       \
    }                                                                                                                            \
    void scipy_##p##posv_64_(char *, wide *, wide *, real *, wide *, real *, wide *, wide *, size_t);                            \
    void p##posv_(char *uplo, int *n, int *nrhs, real *a, int *lda, real *b, int *ldb, int *info) {                              \
        wide done = 0;                                                                                                           \
        scipy_##p##posv_64_(uplo, IN(n), IN(nrhs), a, IN(lda), b, IN(ldb), &done, 1);                                            \
        *info = (int)done;                                                                                                       \
    }                                                                                                                            \
    void scipy_##p##potrf_64_(char *, wide *, real *, wide *, wide *, size_t);                                                   \
    void p##potrf_(char *uplo, int *n, real *a, int *lda, int *info) {                                                           \
        wide done = 0;                                                                                                           \
        scipy_##p##potrf_64_(uplo, IN(n), a, IN(lda), &done, 1);                                                                 \
        *info = (int)done;                                                                                                       \
    }                                                                                                                            \
    void scipy_##p##geev_64_(char *, char *, wide *, real *, wide *, real *, real *, real *, wide *, real *, wide *, real *,     \
                             wide *, wide *, size_t, size_t);                                                                    \
    void p##geev_(char *jobvl, char *jobvr, int *n, real *a, int *lda, real *wr, real *wi, real *vl, int *ldvl, real *vr,        \
                  int *ldvr, real *work, int *lwork, int *info) {                                                                \
        wide done = 0;                                                                                                           \
        scipy_##p##geev_64_(jobvl, jobvr, IN(n), a, IN(lda), wr, wi, vl, IN(ldvl), vr, IN(ldvr), work, IN(lwork), &done, 1, 1);  \
        *info = (int)done;                                                                                                       \
    }

ROUTINES(s, float)
ROUTINES(d, double)

#define PRODUCT(p, number)                                                                                                       \
    void scipy_cblas_##p##gemm64_(int, int, int, wide, wide, wide, number, const void *, wide, const void *, wide, number,       \
                                  void *, wide);                                                                                 \
    void cblas_##p##gemm(int order, int left, int right, int m, int n, int k, number alpha, const void *a, int lda,              \
                         const void *b, int ldb, number beta, void *c, int ldc) {                                                \
        scipy_cblas_##p##gemm64_(order, left, right, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);                              \
    }

PRODUCT(s, float)
PRODUCT(d, double)
PRODUCT(c, const void *)
PRODUCT(z, const void *)
