// signet: the administrator's command line. See tools/cli.
#include "tools/cli/run.h"

int main(int argc, char** argv) { return signet::tools::RunCli(argc, argv); }
