/* The least that a program can do that becomes another one. */
#include <unistd.h>

int main(void)
{
	char *argv[] = {"/bin/true", 0}, *env[] = {"PATH=/usr/bin:/bin", 0};
	execve(argv[0], argv, env);
	return 1;
}
