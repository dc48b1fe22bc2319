# What service managers, shells and operators read: templates, in which the paths are filled in.
# Part of the Makefile.

SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
DATADIR    ?= $(PREFIX)/share/socket-burst-dampener
SYSTEMDDIR ?= $(PREFIX)/lib/systemd/system
BASHDIR    ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR     ?= $(PREFIX)/share/zsh/site-functions
FISHDIR    ?= $(PREFIX)/share/fish/vendor_completions.d

# FILE:MODE:PLACE, the file below scripts/install/
service_files := \
    systemd/socket-burst-dampener@.service:644:$(SYSTEMDDIR)/socket-burst-dampener@.service \
    systemd/socket-burst-dampener@.socket:644:$(SYSTEMDDIR)/socket-burst-dampener@.socket \
    openrc/socket-burst-dampener:755:$(SYSCONFDIR)/init.d/socket-burst-dampener \
    recipes.md:644:$(DATADIR)/recipes.md \
    s6/run:755:$(DATADIR)/s6/run \
    s6/finish:755:$(DATADIR)/s6/finish \
    s6/config:644:$(DATADIR)/s6/config \
    s6/notification-fd:644:$(DATADIR)/s6/notification-fd \
    workers/daytime.c:644:$(DATADIR)/workers/daytime.c \
    workers/finger.pl:755:$(DATADIR)/workers/finger.pl \
    workers/http.php:755:$(DATADIR)/workers/http.php \
    workers/http.py:755:$(DATADIR)/workers/http.py \
    workers/quote.rb:755:$(DATADIR)/workers/quote.rb \
    completion/socket-burst-dampener.bash:644:$(BASHDIR)/socket-burst-dampener \
    completion/socket-burst-dampener.bash:644:$(BASHDIR)/dampenerctl \
    completion/_socket-burst-dampener:644:$(ZSHDIR)/_socket-burst-dampener \
    completion/_dampenerctl:644:$(ZSHDIR)/_dampenerctl \
    completion/socket-burst-dampener.fish:644:$(FISHDIR)/socket-burst-dampener.fish \
    completion/dampenerctl.fish:644:$(FISHDIR)/dampenerctl.fish
# A file that an operator may have changed is neither overwritten nor removed.
service_config := openrc/socket-burst-dampener.confd:644:$(SYSCONFDIR)/conf.d/socket-burst-dampener

fill_in := sed -e 's|@SBINDIR@|$(SBINDIR)|g' -e 's|@BINDIR@|$(BINDIR)|g' -e 's|@SYSCONFDIR@|$(SYSCONFDIR)|g'
# Takes such a word apart.
each := file=$${word%%:*} place=$${word\#\#*:} mode=$${word\#*:} mode=$${mode%%:*}

install-services:
	set -e; for word in $(service_files); do \
	    $(each); $(INSTALL) -d "$(DESTDIR)$${place%/*}"; \
	    $(fill_in) "scripts/install/$$file" >"$(DESTDIR)$$place"; chmod "$$mode" "$(DESTDIR)$$place"; \
	done
	set -e; for word in $(service_config); do \
	    $(each); [ ! -e "$(DESTDIR)$$place" ] || continue; \
	    $(INSTALL) -d "$(DESTDIR)$${place%/*}"; \
	    $(INSTALL) -m "$$mode" "scripts/install/$$file" "$(DESTDIR)$$place"; \
	done

uninstall-services:
	for word in $(service_files); do \
	    $(each); rm -f "$(DESTDIR)$$place"; \
	done
	for word in $(service_config); do \
	    $(each); cmp -s "scripts/install/$$file" "$(DESTDIR)$$place" || continue; \
	    rm -f "$(DESTDIR)$$place"; \
	done
	for folder in s6 workers; do \
	    [ ! -d "$(DESTDIR)$(DATADIR)/$$folder" ] || rmdir "$(DESTDIR)$(DATADIR)/$$folder"; \
	done
	[ ! -d "$(DESTDIR)$(DATADIR)" ] || rmdir "$(DESTDIR)$(DATADIR)"

.PHONY: install-services uninstall-services
