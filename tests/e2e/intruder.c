/* A library that leaves a trace when a process loads it: the file that SIGNET_INTRUDER_TRACE names. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void LeaveTrace(void) {
  const char* path = getenv("SIGNET_INTRUDER_TRACE");
  if (path != NULL) close(open(path, O_CREAT | O_WRONLY, 0600));
}
