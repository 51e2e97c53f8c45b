#include "base/port.h"

#include <errno.h>

#define PRIVILEGED 1024 /* ports below need a right; net.ipv4.ip_unprivileged_port_start */

const char *pml_port_hint(int port, int e) {
  if (e != EACCES || port <= 0 || port >= PRIVILEGED) return "";
  return " (a port below 1024: start it by pomelua@.service, which has the right; or let "
         "pomelua@.socket open the port; or give the program the right: "
         "setcap cap_net_bind_service=+ep)";
}
