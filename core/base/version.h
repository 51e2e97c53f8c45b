/* version: the version of Pomelua, here and nowhere else. The Makefile reads it for the
 * rock of a release, Lua sees it as pomelua.core.version; CHANGELOG.md has a heading for it,
 * and spec/house/version_spec.lua checks the places that cannot read this file. */
#ifndef PML_BASE_VERSION_H
#define PML_BASE_VERSION_H

#define PML_VERSION "0.2.0"

#endif
