/* hooks.c: see hooks.h. */
#include "hooks.h"

#include "core/atomic.h"

#define SEEN_MAX 16u /* a power of two */

static const volatile uint8_t *region;
static size_t region_size;
static uint64_t n_used, n_allowed;

static uint64_t n_until_call;
static void (*call_then)(void);

static struct fuzz_input lies;
static bool lying;
static uint32_t gap;
static uint64_t seen[SEEN_MAX];
static uint32_t n_seen;

void hooks_reset(void)
{
	region = NULL;
	region_size = 0;
	n_used = 0;
	n_allowed = 0;
	call_then = NULL;
	lies = (struct fuzz_input){ 0 };
	lying = false;
	gap = 0;
	memset(seen, 0, sizeof(seen));
	n_seen = 0;
}

void hooks_region(const void *base, size_t size)
{
	region = base;
	region_size = size;
}

void hooks_budget(uint64_t n_accesses)
{
	n_used = 0;
	n_allowed = n_accesses;
}

uint64_t hooks_used(void)
{
	return n_used;
}

void hooks_call(uint64_t n, void (*call)(void))
{
	n_until_call = n;
	call_then = call;
}

void hooks_lies(struct fuzz_input *input)
{
	lies = *input;
	gap = fuzz_u8(&lies);
}

void hooks_lie(bool on)
{
	lying = on && lies.size > 0;
}

uint64_t hooks_value(struct fuzz_input *input, uint64_t truth)
{
	uint64_t low, high;

	switch (fuzz_u8(input) % 9) {
	case 0:
		return 0;
	case 1:
		return truth ^ UINT64_C(1) << fuzz_u8(input) % 64;
	case 2:
		return truth + ((uint64_t)(int64_t)(int8_t)fuzz_u8(input) << 32);
	case 3:
		high = fuzz_u8(input);
		return high << 32 | (uint64_t)fuzz_u8(input) << 1;
	case 4:
		return fuzz_u64(input);
	case 5:
		return UINT64_MAX;
	case 6:
		return seen[fuzz_u8(input) % SEEN_MAX];
	case 7:
		low = fuzz_u8(input) % 64;
		high = fuzz_u16(input) % 1024;
		return (uint64_t)fuzz_u8(input) << 17 | high << 7 | low << 1 | 1;
	default:
		low = fuzz_u16(input);
		return low << fuzz_u8(input) % 49;
	}
}

void hook_access(enum hook_kind kind, const volatile void *address)
{
	const volatile uint8_t *at = address;

	/* Four bytes at least; whether it is all eight the guard page behind says. */
	if (kind != HOOK_PAUSE && region)
		FUZZ_ASSERT(at >= region && at + 4 <= region + region_size);
	n_used++;
	FUZZ_ASSERT(n_allowed == 0 || n_used <= n_allowed);
	if (call_then && n_until_call-- == 0) {
		void (*call)(void) = call_then;

		call_then = NULL;
		call();
	}
}

uint64_t hook_value(const volatile void *address, uint64_t value)
{
	(void)address;
	if (!lying)
		return value;
	seen[n_seen++ % SEEN_MAX] = value;
	if (gap > 0) {
		gap--;
		return value;
	}
	if (fuzz_done(&lies))
		lies.at = 0;
	value = hooks_value(&lies, value);
	gap = fuzz_u8(&lies);
	return value;
}
