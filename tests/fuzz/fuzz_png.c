/* SPDX-License-Identifier: MIT
 * Fuzz target: tensors as PNG pictures. What comes out is read back by libpng:
 * it must have the size asked for, and its pixels must repeat as scaled.
 */
#include "tests/fuzz/bytes.h"

#include <png.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool held)
{
    if (!held) {
        abort();
    }
}

/* The first pixel of each block of scale x scale is the same as its last. */
static void check_pixels(const unsigned char *pixels, size_t width,
                         size_t height, size_t scale)
{
    for (size_t y = 0; y < height; y += scale) {
        for (size_t x = 0; x < width; x += scale) {
            const unsigned char *first = pixels + (y * width + x) * 4;
            const unsigned char *last = first + (scale - 1) * (width + 1) * 4;
            check(memcmp(first, last, 4) == 0);
        }
    }
}

static void read_back(const unsigned char *png, size_t size, const rt_tensor *t,
                      int scale)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    check(png_image_begin_read_from_memory(&image, png, size) != 0);
    bool last = t->ndim == 2 || t->shape[2] == 1 || t->shape[2] == 3 ||
                t->shape[2] == 4;
    int64_t height = t->shape[last ? 0 : 1], width = t->shape[last ? 1 : 2];
    size_t by = image.width / (size_t)width;
    check(image.width == (size_t)width * by &&
          image.height == (size_t)height * by);
    check(scale < 1 || by == (size_t)scale);
    image.format = PNG_FORMAT_RGBA;
    unsigned char *pixels = malloc(PNG_IMAGE_SIZE(image));
    check(png_image_finish_read(&image, NULL, pixels, 0, NULL) != 0);
    check_pixels(pixels, image.width, image.height, by);
    free(pixels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bytes b = {data, size};
    rt_error err;
    unsigned char *png = NULL;
    size_t length = 0;
    int64_t shape[4];
    rt_error_clear(&err);
    rt_dtype dtype = (rt_dtype)(take(&b) % RT_DTYPE_COUNT);
    int ndim = (int)between(&b, 1, 4);
    int scale = take(&b);
    scale = scale > 250 ? scale << 20 : scale % 12 - 2;
    for (int d = 0; d < ndim; d++) {
        shape[d] = between(&b, 0, 12);
    }
    rt_tensor *t = laid_out(&b, dtype, ndim, shape, NULL, &err);
    if (t && rt_image_png(&png, &length, t, scale, &err) == RT_OK) {
        read_back(png, length, t, scale);
        rt_free(png);
    } else {
        check(err.code != RT_OK && err.message[0]);
    }
    rt_release(t);
    return 0;
}
