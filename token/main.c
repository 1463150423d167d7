// placeholder removed by the token work
int main(void) { return 0; }
