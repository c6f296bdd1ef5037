/*
 * simulation_queue.c
 *		The future of the simulation: a heap of events in order of time.
 */
#include <stdlib.h>

#include "simulation.h"

static Event *heap;
static int	used;
static int	size;

/* Adds an event. */
void
simulation_plan(int64_t at, int kind, int subject)
{
	int			i = used++;

	if (used > size)
	{
		size = size * 2 + 1024;
		heap = realloc(heap, (size_t) size * sizeof(Event));
		if (heap == NULL)
			abort();
	}
	for (; i > 0 && heap[(i - 1) / 2].at > at; i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = (Event) {at, kind, subject};
}

/* Takes the first event; false, with nothing kept, where there is none. */
bool
simulation_next(Event *event)
{
	Event		moved;
	int			i = 0;

	if (used == 0)
	{
		free(heap);
		heap = NULL;
		size = 0;
		return false;
	}
	*event = heap[0];
	moved = heap[--used];
	for (int child = 1; child < used; child = 2 * i + 1)
	{
		if (child + 1 < used && heap[child + 1].at < heap[child].at)
			child++;
		if (heap[child].at >= moved.at)
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = moved;
	return true;
}
